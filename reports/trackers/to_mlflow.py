"""MLflow: an experiment per suite in a folder of files (the package `mlflow-skinny` is enough)."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

# Runs are kept as files, because a database needs more packages than mlflow-skinny; `mlflow migrate-filestore`
# converts the files to a database.
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from restorebench.reports.trackers.runs import TrackedRun

BATCH = 1000
"""Largest number of metrics that MLflow accepts in one call."""


def write(runs: Sequence[TrackedRun], out: Path) -> str:
    """Writes metrics, and the facts as parameters."""
    client, now = MlflowClient(tracking_uri=out.resolve().as_uri()), int(1000 * time.time())
    for run in runs:
        existing = client.get_experiment_by_name(run.project)
        experiment = existing.experiment_id if existing else client.create_experiment(run.project)
        run_id = client.create_run(experiment, run_name=run.name).info.run_id
        facts = [Param(_name(name), fact) for name, fact in run.facts.items()]
        client.log_batch(run_id, params=facts)
        for point in run.points:
            metrics = [Metric(_name(name), value, now, point.step) for name, value in point.values.items()]
            for start in range(0, len(metrics), BATCH):
                client.log_batch(run_id, metrics=metrics[start : start + BATCH])
        client.set_terminated(run_id)
    return f"{out}; look at it with: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {out}"


def _name(name: str) -> str:
    """The name with : in place of @, which MLflow does not allow in names."""
    return name.replace("@", ":")
