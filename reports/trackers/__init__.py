"""Experiment trackers: each module has a function that writes tracked runs and returns where they are."""

from __future__ import annotations

from restorebench.benchmark import registry
from restorebench.benchmark.errors import RequestError
from restorebench.reports.trackers.runs import Write

BUILTIN = {
    "mlflow": "to_mlflow:write",
    "tensorboard": "to_tensorboard:write",
    "trackio": "to_trackio:write",
    "wandb": "to_wandb:write",
}


def tracker(name: str) -> Write:
    """The function of a tracker. Raises RequestError for an unknown name, or when its package is not installed."""
    try:
        write: Write = registry.find("trackers", name)
    except ImportError as error:
        raise RequestError(f"{name} cannot be imported ({error}); run: pip install {name}") from error
    return write
