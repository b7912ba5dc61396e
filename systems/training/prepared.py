"""Features extracted ahead of training: windows of the corpus in shards, a folder for each column of features.

A folder's name contains a hash of what determines its features, so that runs with the same tokenizer share codes even
if their teachers differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import FloatArray

SHARD = 256
"""Windows per shard."""
STEP_DB, LEVELS = 4.0, 10
PEAKS = tuple(10 ** (-STEP_DB * step / 20) for step in range(LEVELS))
"""Levels at which a window is prepared, as peaks of the clean side. Codes depend on the level, and the clean side
of a pair has a level that is known only when its corruption is drawn, during training."""


@dataclass(frozen=True)
class Column:
    """One kind of features."""

    identity: str
    """Identifies the tokenizer or teacher that computes the features."""
    levelled: bool
    """Whether the features depend on the level."""


@dataclass(frozen=True)
class Window:
    """`data.seconds` of a recording from `start_s` on. Features are extracted per window, since features of whole files
    could be cut only every 5.12 s, where the frames of codec and teacher coincide."""

    index: int
    recording: int
    start_s: float


def windows_of(seconds: Sequence[float] | NDArray[np.float64], window_s: float) -> list[Window]:
    """Non-overlapping windows of recordings, at least one each; a remainder shorter than half a window is left out."""
    windows: list[Window] = []
    for recording, length in enumerate(seconds):
        count = max(1, int(length / window_s + 0.5))
        windows += [Window(len(windows) + i, recording, i * window_s) for i in range(count)]
    return windows


def full_scale(clean: FloatArray) -> FloatArray:
    """The window scaled to a peak of 1; silence is returned unchanged."""
    peak = float(np.max(np.abs(clean), initial=0.0))
    return clean if peak == 0 else (clean / peak).astype(np.float32)


def level_below(peak: float) -> int | None:
    """Index of the loudest prepared level that is not above the peak; None if the peak is below all levels."""
    return next((number for number, prepared in enumerate(PEAKS) if prepared <= peak * (1 + 1e-6)), None)


class Prepared:
    """The features of the folders that `prepare` filled."""

    def __init__(self, folders: Mapping[str, Path], columns: Mapping[str, Column], windows: list[Window]) -> None:
        """folders: column -> its folder. Raises RequestError when one is absent or unfinished."""
        self.folders, self.columns, self.windows = folders, columns, windows
        for name, folder in folders.items():
            if not folder.is_dir():
                raise RequestError(f"{folder}: no prepared {name}; run the same command with --prepare first")
            if missing := [shard for shard in shards(folder, len(windows)) if not shard.is_file()]:
                raise RequestError(f"{folder}: {len(missing)} shards are missing; run the same command with --prepare")

    def features(self, window: Window, level: int) -> dict[str, Any]:
        """Column -> features of a window at one of `PEAKS`."""
        features = {}
        for name, folder in self.folders.items():
            row = _open(folder / shard_name(window.index // SHARD)).get_slice(name)[window.index % SHARD]
            features[name] = row[level] if self.columns[name].levelled else row
        return features


def shard_name(number: int) -> str:
    return f"shard-{number:05d}.safetensors"


def shards(folder: Path, windows: int) -> list[Path]:
    return [folder / shard_name(number) for number in range(-(-windows // SHARD))]


@lru_cache(maxsize=64)
def _open(path: Path) -> Any:
    from safetensors import safe_open

    return safe_open(path, framework="numpy")
