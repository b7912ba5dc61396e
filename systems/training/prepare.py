"""Extracts codes and teacher targets ahead of training (MaskSR2 §III-A): `restorebench train CONFIG --prepare`.

Shards are written atomically, so an interrupted extraction continues where it stopped; with torchrun each process takes
every n-th shard. Features that another run prepared in the same folder with the same tokenizer or teacher are reused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.errors import RequestError
from restorebench.systems.training.config import RunConfig, load_config
from restorebench.systems.training.prepared import (
    LEVELS,
    PEAKS,
    SHARD,
    Column,
    Prepared,
    Window,
    full_scale,
    shards,
    windows_of,
)
from restorebench.systems.training.recordings import Recordings, speech_of
from restorebench.systems.training.task import Progress, Task, make_task

LEVEL_OF_THE_REST = LEVELS // 4
"""Index of the level at which columns that do not depend on the level are extracted."""


@dataclass(frozen=True)
class Shard:
    path: Path
    name: str
    """Name of the column."""
    column: Column
    windows: Sequence[Window]


def prepare(config: str | Path | RunConfig, out: Path, progress: Progress) -> Path:
    """Fills the folder that `data.prepared` names, and returns its path. Raises RequestError."""
    run = config if isinstance(config, RunConfig) else load_config(config)
    if not run.data.prepared:
        raise RequestError(f"{run.name}: names no folder for prepared features; set prepared = ... under [data]")
    task = make_task(run)
    if not task.columns():
        raise RequestError(f"{run.name}: runs of kind {task.kind!r} have nothing to prepare; leave --prepare out")
    local = os.environ.get("LOCAL_RANK", "0")
    device = torch.device(f"cuda:{local}" if torch.cuda.is_available() else "cpu")
    task.place(device)
    recordings = speech_of(run, out, progress)
    windows = windows_of(recordings.seconds, run.data.seconds)
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    missing = [
        Shard(path, name, task.columns()[name], windows[number * SHARD : (number + 1) * SHARD])
        for name, folder in folders_of(run, task, recordings, out).items()
        for number, path in enumerate(shards(folder, len(windows)))
        if number % world == rank and not path.is_file()
    ]

    def steps() -> Iterator[int]:
        for shard in missing:
            yield from write_shard(shard, run, task, recordings, device)

    progress("prepare", sum(len(shard.windows) for shard in missing), steps())
    return out / run.data.prepared


def write_shard(
    shard: Shard, run: RunConfig, task: Task, recordings: Recordings, device: torch.device
) -> Iterator[int]:
    from safetensors.torch import save_file

    tensors: list[torch.Tensor] = []
    for start in range(0, len(shard.windows), run.training.batch):
        part = shard.windows[start : start + run.training.batch]
        crops = [full_scale(recordings[w.recording].crop(w.start_s, run.data.seconds, task.rate)[0]) for w in part]
        clean = torch.from_numpy(np.stack(crops)).to(device)
        if shard.column.levelled:
            tensors.append(torch.stack([task.features(clean * peak, shard.name) for peak in PEAKS], dim=1).cpu())
        else:
            tensors.append(task.features(clean * PEAKS[LEVEL_OF_THE_REST], shard.name).cpu())
        yield len(part)
    with open_atomic(shard.path) as file:
        mode = file.stat().st_mode
        save_file({shard.name: torch.cat(tensors).contiguous()}, file)
        file.chmod(mode)  # safetensors lets only the owner read the file


def folders_of(run: RunConfig, task: Task, recordings: Recordings, out: Path) -> dict[str, Path]:
    """Column -> folder of its shards, named by a hash of windows, levels, and the column's tokenizer or teacher."""
    columns = [recordings.column(name) for name in ("uri", "rate", "frames")]
    facts = [f"{uri} {rate} {frames}" for uri, rate, frames in zip(*columns, strict=True)]
    return {
        name: out
        / run.data.prepared
        / f"{name}-{digest(column.identity, str(task.rate), str(run.data.seconds), str(PEAKS), *facts)[:12]}"
        for name, column in task.columns().items()
    }


def prepared_for(run: RunConfig, task: Task, recordings: Recordings, out: Path) -> Prepared:
    """The prepared features of a run. Raises RequestError when they are absent or unfinished."""
    windows = windows_of(recordings.seconds, run.data.seconds)
    return Prepared(folders_of(run, task, recordings, out), task.columns(), windows)
