"""TensorBoard: a folder of event files per run. An earlier log of the run in the folder is replaced."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from restorebench.benchmark.core.digest import digest
from restorebench.reports.trackers.runs import TrackedRun


def write(runs: Sequence[TrackedRun], out: Path) -> str:
    """Writes the values as scalars, and the facts as text."""
    for run in runs:
        folder = out / run.project / _folder(run.name)
        if folder.is_dir():
            shutil.rmtree(folder)
        with SummaryWriter(str(folder)) as writer:
            writer.add_text("facts", "\n\n".join(f"{name}: {fact}" for name, fact in run.facts.items()), 0)
            for point in run.points:
                for name, value in point.values.items():
                    writer.add_scalar(name, value, point.step)
    return f"{out}; look at it with: tensorboard --logdir {out}"


def _folder(name: str) -> str:
    """The folder name of a run; if characters had to be replaced, a hash of the run's name makes it unique."""
    safe_name = re.sub(r"[^\w.@-]+", "-", name)
    return safe_name if safe_name == name else f"{safe_name}-{digest(name)[:8]}"
