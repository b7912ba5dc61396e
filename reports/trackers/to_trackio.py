"""Trackio: a database per suite in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from restorebench.reports.trackers.runs import TrackedRun


def write(runs: Sequence[TrackedRun], out: Path) -> str:
    """Writes the points, and the facts as configuration."""
    os.environ["TRACKIO_DIR"] = str(out.resolve())  # read when trackio is imported
    for variable, value in (("HF_HUB_DISABLE_TELEMETRY", "1"), ("GRADIO_ANALYTICS_ENABLED", "False")):
        os.environ.setdefault(variable, value)
    import trackio

    for run in runs:
        trackio.init(project=run.project, name=run.name, config=dict(run.facts), embed=False)
        for point in run.points:
            trackio.log(dict(point.values), step=point.step)
        trackio.finish()
    return f"{out}; look at it with: TRACKIO_DIR={out} trackio show"
