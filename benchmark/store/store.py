"""A content-addressed folder of whole-file units. A unit is present when its file is: written aside, synced, renamed.

    plans/SUITE-DIGEST.json     what was planned (one per suite and list of trials)
    pairs/KEY.json              hashes of a rendered pair, or why there is none; beside it reference and degraded FLAC
    restored/KEY.json           hash of what a system delivered, or why it failed; beside it the WAV
    scores/KEY.parquet          records: the rows of one trial that one run added
    timings/KEY.parquet         rows that a rerun would not repeat bit for bit: processing times

Records with equal keys are equal, so a unit that was written twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.registry import unknown
from restorebench.benchmark.types import Record, Rows

_ARROW = {"str": pa.string(), "int": pa.int64(), "float | None": pa.float64()}
SCHEMA = pa.schema([(f.name, _ARROW[str(f.type)]) for f in fields(Record)])
ORDER = [(f.name, "ascending") for f in fields(Record) if f.name not in ("value", "components", "why")]


Kind = Literal["pairs", "restored", "memory"]
"""Notes of a store: on degraded clips, on restored ones, and on what systems take of memory."""


class Store:
    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    # Notes: small JSON units of pairs and restorations.

    def note(self, kind: Kind, key: str) -> dict[str, Any] | None:
        try:
            note: dict[str, Any] = json.loads((self.root / kind / f"{key}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return note

    def put_note(self, kind: Kind, key: str, note: dict[str, Any]) -> None:
        write_atomic(self.root / kind / f"{key}.json", json.dumps(note, sort_keys=True).encode())

    def forget(self, kind: Kind, key: str) -> None:
        (self.root / kind / f"{key}.json").unlink(missing_ok=True)

    def sound(self, kind: Kind, name: str) -> Path:
        return self.root / kind / name

    # Records.

    def put(self, rows: Rows, records: list[Record]) -> None:
        """Writes one unit; its name is the hash of the keys in it."""
        records = sorted(records, key=lambda r: (r.key, r.value_name))
        table = pa.Table.from_pylist([asdict(r) for r in records], schema=SCHEMA)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        name = digest(*(f"{r.key}/{r.value_name}" for r in records))
        write_atomic(self.root / rows / f"{name}.parquet", sink.getvalue().to_pybytes())

    def table(self, rows: Rows) -> pa.Table:
        """All records, sorted, each key once: the same table whatever the order or split they were made in."""
        tables = [pq.read_table(path) for path in self._units(rows)]
        table = pa.concat_tables(tables).combine_chunks() if tables else SCHEMA.empty_table()
        if tables:
            first = table.append_column("row", pa.array(range(table.num_rows)))
            kept = first.group_by(["key", "value_name"]).aggregate([("row", "min")]).column("row_min")
            table = table.take(kept)
        return table.sort_by(ORDER)

    def _units(self, rows: Rows) -> Iterator[Path]:
        folder = self.root / rows
        if folder.is_dir():
            for path in sorted(folder.glob("*.parquet")):
                if not path.name.startswith("."):
                    yield path

    def keys(self, rows: Rows) -> frozenset[str]:
        """Keys of all records in the store."""
        return frozenset(
            key for path in self._units(rows) for key in pq.read_table(path, columns=["key"])["key"].to_pylist()
        )

    def drop_failures(self, rows: Rows, keys: Iterable[str]) -> None:
        """Removes the records of the given keys that have a failure, so that a rerun tries again."""
        wanted = set(keys)
        for path in self._units(rows):
            held = pq.read_table(path).to_pylist()
            failed = {row["key"] for row in held if row["why"]} & wanted
            kept = [row for row in held if row["key"] not in failed]
            if kept and len(kept) < len(held):
                self.put(rows, [Record(**row) for row in kept])
            if len(kept) < len(held):
                path.unlink()

    # Plans.

    def put_plan(self, plan: Plan) -> None:
        """Keeps a plan; systems and metrics of earlier runs on the same trials stay in it."""
        path = self.root / "plans" / f"{plan.suite.name}-{plan.trials_digest}.json"
        if path.is_file():
            plan = plan.after(Plan.from_json(path.read_text(encoding="utf-8")))
        write_atomic(path, plan.to_json().encode())

    def plans(self) -> list[Plan]:
        """Kept plans, the latest first; of a suite only the latest list of trials."""
        found: dict[str, Plan] = {}
        paths = sorted((self.root / "plans").glob("*.json"), key=lambda p: (p.stat().st_mtime_ns, p.name), reverse=True)
        for path in paths:
            plan = Plan.from_json(path.read_text(encoding="utf-8"))
            found.setdefault(plan.suite.name, plan)
        return list(found.values())


def open_store(path: Path) -> Store:
    """A store that exists. Raises RequestError otherwise."""
    if not any((path / "plans").glob("*.json")):
        raise RequestError(
            f"{path}: no store there (no plan in it); make one with: restorebench run SUITE --store {path}"
        )
    return Store(path)


def plan_of(store: Store, suite: str = "") -> Plan:
    """The plan of a suite, by default of the latest one. Raises RequestError for a suite that the store has not."""
    plans = {kept.suite.name: kept for kept in store.plans()}
    name = suite or next(iter(plans))
    if name not in plans:
        raise unknown("suites in this store", name, list(plans))
    return plans[name]
