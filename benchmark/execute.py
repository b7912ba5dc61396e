"""Runs a plan into a store and leaves readable files beside the units: records, timings, provenance."""

from __future__ import annotations

import json
from pathlib import Path

from restorebench.benchmark import provenance
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.files import write_whole
from restorebench.benchmark.plan import Plan
from restorebench.benchmark.run import Progress, run, say_nothing
from restorebench.benchmark.store import Store


def execute(
    plan: Plan, store: Path, workers: int, progress: Progress = say_nothing, retry_failed: bool = False
) -> Store:
    """Finishes a plan. `records.csv` is byte-equal for equal plans, whatever the workers and the order."""
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{store}: cannot be made ({error.strerror}); name another folder for --store") from error
    opened = Store(store)
    run(plan, opened, workers, progress, retry_failed)
    for rows, file in (("scores", "records.csv"), ("timings", "timings.csv")):
        table = opened.table(rows).to_pandas()  # type: ignore[arg-type]
        write_whole(store / file, table.to_csv(index=False, lineterminator="\n").encode())
    write_whole(store / "provenance.json", json.dumps(provenance.collect(), indent=1, sort_keys=True).encode())
    return opened
