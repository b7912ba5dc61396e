"""Weights & Biases, offline unless WANDB_MODE says otherwise: nothing leaves the machine before `wandb sync`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import wandb

from restorebench.benchmark.data.download import offline
from restorebench.reports.trackers.runs import TrackedRun


def write(runs: Sequence[TrackedRun], out: Path) -> str:
    """Writes the points as history, and the facts as configuration."""
    out.mkdir(parents=True, exist_ok=True)
    mode = "offline" if offline() else os.environ.get("WANDB_MODE", "offline")
    settings = wandb.Settings(mode=mode, console="off", silent=True)
    for run in runs:
        with wandb.init(
            project=run.project, name=run.name, config=dict(run.facts), dir=str(out), settings=settings,
            reinit="finish_previous",
        ) as tracked:  # fmt: skip
            for point in run.points:
                tracked.log(dict(point.values), step=point.step)
    return f"{out}/wandb" + (f"; send it with: wandb sync {out}/wandb/offline-run-*" if mode == "offline" else "")
