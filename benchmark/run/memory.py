"""What a system takes of memory: each in a process of its own, so that nobody else's weights count."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.components import component_of
from restorebench.benchmark.contracts import System
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.core.pool import Workers, single_threaded_children
from restorebench.benchmark.errors import reason
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Audio

STATUS = Path("/proc/self/status")
SECONDS = 4.0
RATE = 16_000
"""Of the sound for a system that takes any rate."""


@dataclass(frozen=True)
class MemoryUnit:
    store: Path
    system: str


def measurable() -> bool:
    """Linux says how much a process ever held; elsewhere nothing is measured."""
    return STATUS.is_file()


def measure(store: Store, systems: Sequence[str], workers: int) -> Iterator[int]:
    """Keeps the peak memory of each system in the store; `workers` fresh processes at once."""

    def in_a_fresh_process(system: str) -> int:
        with Workers(1) as fresh:
            return sum(fresh.map(measure_unit, [MemoryUnit(store.root, system)], _died))

    # The threads only wait; the environment variables are set around them, since each would set and restore them.
    with single_threaded_children(), ThreadPoolExecutor(workers) as pool:
        yield from pool.map(in_a_fresh_process, systems)


def measure_unit(unit: MemoryUnit) -> int:
    """Loads a system and restores four seconds; what the process held at most, beyond what it held before."""
    before = held("VmRSS")
    try:
        system = component_of(unit.system)
        assert isinstance(system, System)
        rate = system.card.rate or RATE
        rng = np.random.default_rng(0)
        sound = rng.normal(scale=1e-3, size=samples_for(SECONDS, rate)).astype(np.float32)
        system.restore([Audio(sound, rate)], [0])
    except Exception as error:
        _note(unit, {"why": reason(error)})
    else:
        _note(unit, {"why": "", "mib": round(held("VmHWM") - before, 1)})
    return 1


def held(what: str) -> float:
    """A line of the process's status in MiB: VmRSS, what it holds, or VmHWM, the most it ever held."""
    found = re.search(rf"^{what}:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def _died(unit: MemoryUnit, why: str) -> int:
    _note(unit, {"why": why})
    return 1


def _note(unit: MemoryUnit, note: dict[str, object]) -> None:
    Store(unit.store).put_note("memory", digest(unit.system), note)


def memory_of(store: Store, plan: Plan) -> dict[str, float]:
    """System -> MiB, of those that were measured."""
    notes = {system: store.note("memory", digest(system)) for system in plan.systems}
    return {system: float(note["mib"]) for system, note in notes.items() if note and not note["why"]}
