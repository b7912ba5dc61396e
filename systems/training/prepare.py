"""Extracts codes and teacher targets ahead of training (MaskSR2 §III-A): `restorebench train CONFIG --prepare`.

Shards are written whole, so an interrupted extraction goes on where it stopped; with torchrun each process takes every
n-th shard.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from restorebench.benchmark.core.atomic import open_atomic, write_atomic
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.errors import RequestError
from restorebench.systems.training.config import RunConfig, load_config
from restorebench.systems.training.data import Recording, at_level, utterances_of
from restorebench.systems.training.prepared import SHARD, Prepared, Window, shards, windows_of
from restorebench.systems.training.task import Progress, Task, make_task


def prepare(config: str | Path | RunConfig, out: Path, progress: Progress) -> Path:
    """Fills the folder that `data.prepared` names; the path of it. Raises RequestError."""
    run = config if isinstance(config, RunConfig) else load_config(config)
    if not run.data.prepared:
        raise RequestError(f"{run.name}: names no folder for prepared features; set prepared = ... under [data]")
    task = make_task(run)
    local = os.environ.get("LOCAL_RANK", "0")
    device = torch.device(f"cuda:{local}" if torch.cuda.is_available() else "cpu")
    task.place(device)
    recordings = [Recording.of(utterance) for utterance in utterances_of(run.data.speech)]
    windows = windows_of([recording.seconds for recording in recordings], run.data.seconds)
    folder = out / run.data.prepared
    key = key_of(run, task, recordings)
    if (folder / "index.json").is_file():
        Prepared(folder, key, [])  # refuses a folder that was made otherwise
    write_atomic(folder / "index.json", json.dumps({"key": key, "windows": len(windows)}).encode())
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    mine = [
        (path, windows[number * SHARD : (number + 1) * SHARD])
        for number, path in enumerate(shards(folder, len(windows)))
        if number % world == rank and not path.is_file()
    ]

    def steps() -> Iterator[int]:
        for path, part in mine:
            yield from write_shard(path, part, run, task, recordings, device)

    progress("prepare", sum(len(part) for _, part in mine), steps())
    return folder


def write_shard(
    path: Path, windows: list[Window], run: RunConfig, task: Task, recordings: list[Recording], device: torch.device
) -> Iterator[int]:
    from safetensors.torch import save_file

    made: list[dict[str, torch.Tensor]] = []
    for start in range(0, len(windows), run.training.batch):
        part = windows[start : start + run.training.batch]
        crops = [
            at_level(recordings[w.recording].crop(w.start_s, run.data.seconds, task.rate)[0], w.index) for w in part
        ]
        features = task.features(torch.from_numpy(np.stack(crops)).to(device))
        made.append({name: value.cpu() for name, value in features.items()})
        yield len(part)
    with open_atomic(path) as file:
        save_file({name: torch.cat([features[name] for features in made]).contiguous() for name in made[0]}, file)


def key_of(run: RunConfig, task: Task, recordings: list[Recording]) -> str:
    """What decides the features."""
    facts = [f"{recording.uri} {recording.rate} {recording.frames}" for recording in recordings]
    return digest(task.features_identity(), str(task.rate), str(run.data.seconds), *facts)


def prepared_for(run: RunConfig, task: Task, recordings: list[Recording], out: Path) -> Prepared:
    """The features that a run asks for. Raises RequestError when they are absent or of another run."""
    windows = windows_of([recording.seconds for recording in recordings], run.data.seconds)
    return Prepared(out / run.data.prepared, key_of(run, task, recordings), windows)
