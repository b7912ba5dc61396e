"""A folder of results, one file per unit. File names contain hashes of the units' keys, and writes are atomic.

    plans/SUITE-DIGEST.json     a plan, one per suite and list of trials; plans/order.txt lists them, the latest last
    pairs/KEY.json              hashes of a rendered pair, or the reason for its failure; with two FLAC files
    restored/KEY.json           hash and time of a system's output, or the reason for its failure; with its WAV file
    spoken/KEY.json             hash of a synthesizer's speech, or the reason for its failure; with its WAV file
    cost/KEY.json               memory and time of a system (run/cost.py)
    scores/KEY.parquet          records that were written together, usually those of one trial
    timings/KEY.parquet         records of processing times, which a rerun does not repeat exactly

Scores with equal keys are equal, so a unit that was written twice changes nothing. A damaged unit is detected by its
checksum (checked.py): a run replaces damaged notes and records, and reports a damaged plan as an error.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from filelock import FileLock

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.errors import RequestError, reason
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.registry import unknown
from restorebench.benchmark.store.checked import Damaged, read_table, sealed, table_bytes, unsealed
from restorebench.benchmark.types import Record, Rows

_ARROW = {"str": pa.string(), "int": pa.int64(), "float | None": pa.float64()}
SCHEMA = pa.schema([(f.name, _ARROW[str(f.type)]) for f in fields(Record)])
SORTED_BY = [(f.name, "ascending") for f in fields(Record) if f.name not in ("value", "components", "why")]


ORDER = "order.txt"
"""File in the folder of the plans that lists the names of the plans' files, the latest last."""
ROWS: tuple[Rows, ...] = ("scores", "timings")
Outcomes = dict[str, set[str]]
"""Key of records -> the reasons why values of it are absent; empty if none is."""
Kind = Literal["pairs", "restored", "spoken", "cost"]
"""Kinds of notes: on degraded clips, on restored clips, on synthetic speech, and on memory and time of systems."""


class Store:
    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    # Notes: small JSON units of pairs, restorations, speech and costs.

    def note(self, kind: Kind, key: str) -> dict[str, Any] | None:
        """A note; None where it is absent or damaged, so that a run makes the note and its sound again."""
        try:
            note: dict[str, Any] = unsealed(self.root / kind / f"{key}.json")
        except (FileNotFoundError, Damaged):
            return None
        return note

    def put_note(self, kind: Kind, key: str, note: dict[str, Any]) -> None:
        write_atomic(self.root / kind / f"{key}.json", sealed(json.dumps(note, sort_keys=True)))

    def forget(self, kind: Kind, key: str) -> None:
        (self.root / kind / f"{key}.json").unlink(missing_ok=True)

    def sound(self, kind: Kind, name: str) -> Path:
        return self.root / kind / name

    # Records.

    def put(self, rows: Rows, records: list[Record]) -> None:
        """Writes one unit; its name is the hash of the keys in it."""
        records = sorted(records, key=lambda r: (r.key, r.value_name))
        table = pa.Table.from_pylist([asdict(r) for r in records], schema=SCHEMA)
        name = digest(*(f"{r.key}/{r.value_name}" for r in records))
        write_atomic(self.root / rows / f"{name}.parquet", table_bytes(table))

    def table(self, rows: Rows) -> pa.Table:
        """All records, sorted, one per key and value name, however the records are divided into units.

        Raises RequestError when a unit is damaged.
        """
        try:
            tables = [read_table(path, SCHEMA) for path in self._units(rows)]
        except Damaged as error:
            raise RequestError(f"{error}; run the suite again to measure its values anew") from error
        table = pa.concat_tables(tables).combine_chunks() if tables else SCHEMA.empty_table()
        if tables:
            numbered = table.append_column("row", pa.array(range(table.num_rows)))
            first_rows = numbered.group_by(["key", "value_name"]).aggregate([("row", "min")]).column("row_min")
            table = table.take(first_rows)
        return table.sort_by(SORTED_BY)

    def _units(self, rows: Rows) -> Iterator[Path]:
        folder = self.root / rows
        if folder.is_dir():
            for path in sorted(folder.glob("*.parquet")):
                if not path.name.startswith("."):
                    yield path

    def whole_units(self, rows: Rows) -> Iterator[Path]:
        """The undamaged files of records."""
        for path in self._units(rows):
            with suppress(Damaged):
                read_table(path, SCHEMA)
                yield path

    def failed_and_measured(self, rows: Rows) -> set[str]:
        """Keys of values that have a failure in one unit and a number in another, after stores were merged."""
        seen: dict[tuple[str, str], set[bool]] = {}
        for path in self._units(rows):
            for row in read_table(path, SCHEMA, ["key", "value_name", "why"]).to_pylist():
                seen.setdefault((row["key"], row["value_name"]), set()).add(bool(row["why"]))
        return {key for (key, _), kinds in seen.items() if len(kinds) == 2}

    def outcomes(self) -> Outcomes:
        """Outcomes of all records. Raises Damaged."""
        outcomes: Outcomes = {}
        for path in (path for rows in ROWS for path in self._units(rows)):
            _add_outcomes(outcomes, read_table(path, SCHEMA, ["key", "why"]))
        return outcomes

    def drop_damaged(self) -> tuple[list[str], Outcomes]:
        """Renames damaged units of records to `.damaged`, so that a run measures them again.

        Returns the errors, and the outcomes of the records in the undamaged units.
        """
        damaged: list[str] = []
        outcomes: Outcomes = {}
        for rows in ROWS:
            for path in self._units(rows):
                try:
                    table = read_table(path, SCHEMA)
                except Damaged as error:
                    path.rename(path.with_suffix(".damaged"))
                    damaged.append(str(error))
                else:
                    _add_outcomes(outcomes, table)
        return damaged, outcomes

    def drop_failures(self, rows: Rows, keys: Collection[str]) -> None:
        """Removes all records of each given key that has a failure, so that a rerun measures its values again."""
        wanted = set(keys)
        for path in self._units(rows) if wanted else ():
            stored = read_table(path, SCHEMA).to_pylist()
            failed = {row["key"] for row in stored if row["why"]} & wanted
            remaining = [row for row in stored if row["key"] not in failed]
            if remaining and len(remaining) < len(stored):
                self.put(rows, [Record(**row) for row in remaining])
            if len(remaining) < len(stored):
                path.unlink()

    # Plans.

    def put_plan(self, plan: Plan) -> None:
        """Stores a plan as the latest one, together with systems and metrics of earlier runs on the same trials."""
        folder = self.root / "plans"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{plan.suite.name}-{plan.trials_digest}.json"
        with FileLock(folder / ".lock"):  # simultaneous runs must not drop each other's systems
            if path.is_file():
                plan = plan.merged_with(_plan(path))
            write_atomic(path, sealed(plan.to_json()))
            others = [name for name in self._order() if name != path.name]
            write_atomic(folder / ORDER, "".join(f"{name}\n" for name in (*others, path.name)).encode())

    def plans(self) -> list[Plan]:
        """The latest plan of each suite, the latest suite first.

        Raises RequestError when a plan is damaged.
        """
        plans: dict[str, Plan] = {}
        for name in reversed(self._order()):
            plan = _plan(self.root / "plans" / name)
            plans.setdefault(plan.suite.name, plan)
        return list(plans.values())

    def _order(self) -> list[str]:
        """Names of the plans' files, the latest last: files not in order.txt by time, then the others as listed."""
        folder = self.root / "plans"
        paths = sorted(folder.glob("[!.]*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        listed = (folder / ORDER).read_text(encoding="utf-8").split("\n") if (folder / ORDER).is_file() else []
        positions = {name: index for index, name in enumerate(listed)}
        return sorted((path.name for path in paths), key=lambda name: positions.get(name, -1))


def _add_outcomes(outcomes: Outcomes, records: pa.Table) -> None:
    for key, why in zip(records["key"].to_pylist(), records["why"].to_pylist(), strict=True):
        reasons = outcomes.setdefault(key, set())
        if why:
            reasons.add(why)


def _plan(path: Path) -> Plan:
    try:
        return Plan.from_data(unsealed(path))
    except Damaged as error:
        raise RequestError(f"{error}; remove the file and run the suite again: sounds and scores are kept") from error
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"{path}: is no plan of this version ({reason(error)}); run the suite again") from error


def open_store(path: Path) -> Store:
    """The store at `path`. Raises RequestError when there is none."""
    if not any((path / "plans").glob("[!.]*.json")):
        raise RequestError(
            f"{path}: no store there (no plan in it); make one with: restorebench run SUITE --store {path}"
        )
    return Store(path)


def plan_of(store: Store, suite: str = "") -> Plan:
    """The plan of a suite; by default the latest plan. Raises RequestError for a suite that is not in the store."""
    plans = {plan.suite.name: plan for plan in store.plans()}
    name = suite or next(iter(plans))
    if name not in plans:
        raise unknown("suites in this store", name, list(plans))
    return plans[name]
