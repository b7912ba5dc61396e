"""Runs a plan, and writes readable tables beside the units of the store: records, timings, provenance."""

from __future__ import annotations

import json
from pathlib import Path

from restorebench.benchmark.core import provenance
from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.core.pool import Pool
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.plan.shard import WHOLE, Shard
from restorebench.benchmark.run.engine import run
from restorebench.benchmark.store.store import Store


def execute(
    plan: Plan,
    store: Path,
    workers: int,
    progress: Progress = silent,
    retry_failed: bool = False,
    shard: Shard = WHOLE,
    pool: Pool | None = None,
) -> Store:
    """Finishes a plan, or a shard of it, and writes the tables.

    pool: where units run; None: in `workers` local processes. Equal scores give a `records.csv`
    with equal bytes, whatever the pool, the number of workers, or the number of merged shards.
    """
    opened = open_or_make(store)
    run(plan, opened, workers, progress, retry_failed, shard, pool)
    write_tables(opened)
    return opened


def open_or_make(store: Path) -> Store:
    """The store of a folder. Raises RequestError when the folder cannot be made."""
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{store}: cannot be made ({error.strerror}); name another folder for --store") from error
    return Store(store)


def write_tables(store: Store) -> None:
    """Writes records.csv, timings.csv and provenance.json beside the units."""
    for rows, file in (("scores", "records.csv"), ("timings", "timings.csv")):
        table = store.table(rows).to_pandas()  # type: ignore[arg-type]
        write_atomic(store.root / file, table.to_csv(index=False, lineterminator="\n").encode())
    write_atomic(store.root / "provenance.json", json.dumps(provenance.collect(), indent=1, sort_keys=True).encode())
