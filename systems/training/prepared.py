"""Features extracted ahead of training: windows of the corpus in shards of codes and teacher targets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from restorebench.benchmark.errors import RequestError

SHARD = 256
"""Windows per shard."""


@dataclass(frozen=True)
class Window:
    """`seconds` of a recording from `start_s` on. Features of whole files could not be cut at any sample: the grids of
    codec and teacher meet only every 5.12 s."""

    index: int
    recording: int
    start_s: float


def windows_of(seconds: list[float], window_s: float) -> list[Window]:
    """Non-overlapping windows of recordings of these lengths; a last one shorter than half a window is left out."""
    made: list[Window] = []
    for recording, length in enumerate(seconds):
        count = max(1, int(length / window_s + 0.5))
        made += [Window(len(made) + i, recording, i * window_s) for i in range(count)]
    return made


class Prepared:
    """The features of a folder that `prepare` filled."""

    def __init__(self, folder: Path, key: str, windows: list[Window]) -> None:
        """Raises RequestError when the folder is absent, unfinished, or made with another tokenizer or corpus."""
        self.folder, self.windows = folder, windows
        index = folder / "index.json"
        if not index.is_file():
            raise RequestError(f"{folder}: no prepared features; run the same command with --prepare first")
        seen = json.loads(index.read_text(encoding="utf-8"))["key"]
        if seen != key:
            raise RequestError(
                f"{folder}: prepared with another tokenizer, teacher, corpus or window ({seen[:9]}, wanted {key[:9]}); "
                "remove the folder and run with --prepare again"
            )
        missing = [shard for shard in shards(folder, len(windows)) if not shard.is_file()]
        if missing:
            raise RequestError(f"{folder}: {len(missing)} shards are missing; run the same command with --prepare")

    def features(self, window: Window) -> dict[str, Any]:
        file = _open(self.folder / shard_name(window.index // SHARD))
        row = window.index % SHARD
        return {key: file.get_slice(key)[row] for key in file.keys()}  # noqa: SIM118  # not a mapping


def shard_name(number: int) -> str:
    return f"shard-{number:05d}.safetensors"


def shards(folder: Path, windows: int) -> list[Path]:
    return [folder / shard_name(number) for number in range(-(-windows // SHARD))]


@lru_cache(maxsize=64)
def _open(path: Path) -> Any:
    from safetensors import safe_open

    return safe_open(path, framework="numpy")
