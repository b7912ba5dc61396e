"""Experiment trackers: a file each, whose function writes tracked runs and says where they are.

Another package adds a tracker through the entry-point group `restorebench.trackers`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.registry import unknown
from restorebench.reports.trackers.runs import Write

BUILTIN = {
    "mlflow": "restorebench.reports.trackers.to_mlflow:write",
    "tensorboard": "restorebench.reports.trackers.to_tensorboard:write",
    "trackio": "restorebench.reports.trackers.to_trackio:write",
    "wandb": "restorebench.reports.trackers.to_wandb:write",
}


def tracker(name: str) -> Write:
    """The function of a tracker. Raises RequestError for an unknown name, or when its package is not installed."""
    targets = BUILTIN | {point.name: point.value for point in entry_points(group="restorebench.trackers")}
    if name not in targets:
        raise unknown("trackers", name, sorted(targets))
    module, _, attribute = targets[name].partition(":")
    try:
        write: Write = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise RequestError(f"{name} cannot be imported ({error}); run: pip install {name}") from error
    return write
