"""Restores one recording or a folder of them with a system: `restorebench restore`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from restorebench.benchmark import registry, weights
from restorebench.benchmark.audio import read, write_float
from restorebench.benchmark.contracts import System
from restorebench.benchmark.errors import RequestError, reason
from restorebench.benchmark.plan import component_of
from restorebench.benchmark.run import Progress, restore_file, say_nothing
from restorebench.benchmark.score_files import files_by_id


def restore_files(
    source: Path, target: Path, system: str, seed: int = 0, progress: Progress = say_nothing
) -> tuple[int, list[str]]:
    """Files written, and what went wrong with the others. Raises RequestError when nothing can be done."""
    component = component_of(system)
    if not isinstance(component, System):
        runnable = [
            n for n in registry.table("systems") if getattr(registry.card("systems", n), "kind", "") == "system"
        ]
        raise RequestError(f"{system} is supplied, not run; name one of: {', '.join(runnable)}")
    for name in component.card.weights:
        weights.fetch(name)
    pairs = _pairs(source, target)
    faults: list[str] = []

    def steps() -> Iterator[int]:
        for given, wanted in pairs:
            try:
                made, _ = restore_file(system, read(given), seed)
                write_float(wanted, made)
            except Exception as error:
                faults.append(f"{given}: {reason(error)}")
            yield 1

    progress("restore", len(pairs), steps())
    return len(pairs) - len(faults), faults


def _pairs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    if source.is_dir():
        files = files_by_id(source)
        return [(path, target / f"{clip}.wav") for clip, paths in files.items() for path in paths[:1]]
    if not source.is_file():
        raise RequestError(f"{source}: no such file or folder")
    if target.suffix.lower() != ".wav":
        raise RequestError(f"{target}: wanted a name that ends in .wav")
    return [(source, target)]
