"""Joins several stores and packs into one store for a board, and compares the values that several of them measured.

Where two sources have a value of the same clip and system, the first source's is used. Folders come before packs, so
that no pack replaces a value that was measured here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.store.merge import require_one_plan
from restorebench.benchmark.store.pack import SUFFIX, unpack
from restorebench.benchmark.store.store import ROWS, Store, open_store
from restorebench.benchmark.types import Record, Rows

AGREE, LEAST = 1e-3, 1e-4
"""Two measurements agree if their relative difference is at most AGREE, or their absolute difference at most LEAST."""
Key = tuple[str, str]
"""(key of a record, name of its value)."""


@contextmanager
def joined(sources: Sequence[Path]) -> Iterator[tuple[Store, list[str]]]:
    """Yields a store with the plans, records and costs of folders and packs, valid in the block, and notes for a board.

    Raises RequestError for a damaged pack, or when the sources plan different clips or define a value differently.
    """
    folders = [source for source in sources if source.suffix != SUFFIX or source.is_dir()]
    packs = [source for source in sources if source not in folders]
    if not packs and len(folders) == 1:
        yield open_store(folders[0]), []
        return
    with TemporaryDirectory(prefix="restorebench-") as folder:
        stores = {str(source): open_store(source) for source in folders}
        stores |= {str(pack): unpack(pack, Path(folder) / str(index), False) for index, pack in enumerate(packs)}
        require_one_plan({name: store.plans() for name, store in stores.items()})
        whole = Store(Path(folder) / "joined")
        notes = [f"self-reported, not measured here: {pack.name} (sha256 {file_sha256(pack)[:16]})" for pack in packs]
        seen: dict[Rows, dict[Key, float | None]] = {rows: {} for rows in ROWS}
        keys_by_name: dict[tuple[str, str], frozenset[str]] = {}
        for name, store in stores.items():
            notes += [*_add(name, store, whole, seen), *_namesakes(name, store, keys_by_name)]
        # The cards of the plan stored last are used, so the first source's plans are stored last.
        for store in reversed(stores.values()):
            for plan in reversed(store.plans()):
                whole.put_plan(plan)
        yield whole, notes


def _add(name: str, store: Store, whole: Store, seen: dict[Rows, dict[Key, float | None]]) -> Iterator[str]:
    """Adds the records and costs that no earlier source has; yields a note on how far the common scores agree."""
    for rows in ROWS:
        known = seen[rows]
        records = [Record(**row) for row in store.table(rows).to_pylist()]
        common = [
            (value, earlier)
            for record in records
            if (value := record.value) is not None
            and (earlier := known.get((record.key, record.value_name))) is not None
        ]
        differing = sum(not math.isclose(*pair, rel_tol=AGREE, abs_tol=LEAST) for pair in common)
        if common and rows == "scores":
            yield f"{Path(name).name}: " + (
                f"{differing} of the {len(common)} values that an earlier source also measured differ by more than "
                "0.1 %; the earlier source's values are shown"
                if differing
                else f"the {len(common)} values that an earlier source also measured agree"
            )
        new = [r for r in records if (r.key, r.value_name) not in known]
        if new:
            whole.put(rows, new)
        known |= {(r.key, r.value_name): r.value for r in new}
    for path in sorted((store.root / "cost").glob("[!.]*.json")):
        note = store.note("cost", path.stem)
        if note is not None and whole.note("cost", path.stem) is None:
            whole.put_note("cost", path.stem, note)


def _namesakes(name: str, store: Store, keys_by_name: dict[tuple[str, str], frozenset[str]]) -> Iterator[str]:
    """A note for each system that differs from an earlier source's system of that name: a board has one row per name.

    keys_by_name: (suite, system) -> keys of the first source's restorations; the new names of this store are added.
    """
    for plan in store.plans():
        for system in plan.systems:
            keys = frozenset(job.key for job in plan.jobs if job.system == system)
            if keys_by_name.setdefault((plan.suite.name, system), keys) != keys:
                yield (
                    f"{Path(name).name}: its {system} differs from the earlier source's {system} (weights, version "
                    "or seeds) and is not shown; to compare both, give the checkpoints different file names"
                )
