"""Several stores and packs seen as one, and how far they agree where both measured the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.store.merge import merge
from restorebench.benchmark.store.pack import SUFFIX, unpack
from restorebench.benchmark.store.store import Store, open_store

AGREE = 1e-3
"""Relative difference up to which two measurements of the same value agree."""


@contextmanager
def joined(sources: Sequence[Path]) -> Iterator[tuple[Store, list[str]]]:
    """A store with what the folders and packs hold, while the block lasts, and notes for the board made of it.

    Raises RequestError for a damaged pack, or when the sources plan different clips or define a value differently.
    """
    packs = [source for source in sources if source.suffix == SUFFIX and source.is_file()]
    if not packs and len(sources) == 1:
        yield open_store(sources[0]), []
        return
    with TemporaryDirectory(prefix="restorebench-") as folder:
        stores = [
            unpack(source, Path(folder) / str(place)) if source in packs else open_store(source)
            for place, source in enumerate(sources)
        ]
        notes = [
            f"self-reported by its maker, not measured here: {p.name} (sha256 {file_sha256(p)[:16]})" for p in packs
        ]
        notes += _differences(sources, stores)
        yield merge([store.root for store in stores], Path(folder) / "joined"), notes


def _differences(sources: Sequence[Path], stores: Sequence[Store]) -> Iterator[str]:
    """A note for each source whose values differ from the first one's where both measured the same clip and system."""
    first = _values(stores[0])
    for source, store in zip(sources[1:], stores[1:], strict=True):
        other = _values(store)
        both = sorted(first.keys() & other.keys())
        ours, theirs = (np.array([values[key] for key in both]) for values in (first, other))
        apart = int((np.abs(ours - theirs) > AGREE * np.maximum(np.abs(ours), 1.0)).sum())
        if both:
            said = f"{apart} of the {len(both)} values that both measured differ by more than 0.1 %" if apart else ""
            yield f"{source.name} and {sources[0].name}: " + (
                said or f"the {len(both)} values that both measured agree"
            )


def _values(store: Store) -> dict[tuple[str, str], float]:
    """(key, value name) -> the measured value, of scores."""
    rows = store.table("scores").select(["key", "value_name", "value"]).to_pylist()
    return {(row["key"], row["value_name"]): row["value"] for row in rows if row["value"] is not None}
