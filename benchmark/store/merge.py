"""Merges several stores, such as those of a run's shards, into one store.

A unit's file name is derived from its keys, so that equal units are stored once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.store.store import ROWS, Kind, Store, open_store
from restorebench.benchmark.types import Rows

NOTES: tuple[Kind, ...] = ("pairs", "restored", "spoken", "cost")


def merge(sources: list[Path], target: Path, progress: Progress = silent) -> Store:
    """Copies the units and plans of several stores into `target`, which may exist; the sources are not changed.

    Where one store has a result and another a failure of the same unit, the result is kept. Damaged units are left
    out, so that a run on the merged store measures them again.

    Raises:
        RequestError: A source is no store, the target is one of the sources, or two stores have different clips of a
            suite or different signatures of a metric.
    """
    stores = [open_store(source) for source in sources]
    if target.resolve() in [source.resolve() for source in sources]:
        raise RequestError(f"{target}: is one of the stores to merge; name another folder")
    require_one_plan({str(source): store.plans() for source, store in zip(sources, stores, strict=True)})
    target.mkdir(parents=True, exist_ok=True)
    merged = Store(target)
    merged.drop_damaged()

    def steps() -> Iterator[int]:
        for store in stores:
            for kind in NOTES:
                _copy_notes(store, merged, kind)
            for rows in ROWS:
                _copy_rows(store, merged, rows)
            for plan in reversed(store.plans()):
                merged.put_plan(plan)
            yield 1

    progress("merge", len(stores), steps())
    for rows in ROWS:
        merged.drop_failures(rows, merged.failed_and_measured(rows))
    return merged


def require_one_plan(plans: Mapping[str, Sequence[Plan]]) -> None:
    """Raises RequestError if stores differ in a suite's clips or a metric's signature.

    A board shows one list of clips and one signature per metric, so it would leave out the other store's values.
    """
    clips: dict[str, tuple[str, str]] = {}
    signatures: dict[tuple[str, str], tuple[str, str]] = {}
    for store, store_plans in plans.items():
        for plan in store_plans:
            suite = plan.suite.name
            first, first_digest = clips.setdefault(suite, (store, plan.trials_digest))
            if first_digest != plan.trials_digest:
                raise RequestError(f"{suite}: {first} and {store} have different clips; merge stores of one plan")
            for metric, signature in plan.signatures.items():
                first, first_signature = signatures.setdefault((suite, metric), (store, signature))
                if first_signature != signature:
                    raise RequestError(
                        f"{suite}: {metric} is {first_signature} in {first} and {signature} in {store}; "
                        "run both with the same versions and weights"
                    )


def _copy_notes(store: Store, merged: Store, kind: Kind) -> None:
    """Copies notes and their sounds, each note after its sounds: an interrupted merge leaves no note without sound."""
    sounds: dict[str, list[Path]] = {}
    for path in sorted((store.root / kind).glob("[!.]*")):
        if path.suffix != ".json":
            sounds.setdefault(path.name.partition(".")[0], []).append(path)
    for path in sorted((store.root / kind).glob("[!.]*.json")):
        note, present = store.note(kind, path.stem), merged.note(kind, path.stem)
        if note is None or (present is not None and (note.get("why") or not present.get("why"))):
            continue
        for sound in sounds.get(path.stem, []):
            _copy(sound, merged.root / kind / sound.name)
        _copy(path, merged.root / kind / path.name)


def _copy_rows(store: Store, merged: Store, rows: Rows) -> None:
    for path in store.whole_units(rows):
        if not (merged.root / rows / path.name).exists():
            _copy(path, merged.root / rows / path.name)


def _copy(source: Path, target: Path) -> None:
    with open_atomic(target) as part:
        shutil.copyfile(source, part)
