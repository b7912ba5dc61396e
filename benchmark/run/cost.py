"""Measures memory and time of systems, each in its own process, so that no other system's weights are counted."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.components import system_of
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
"""Sampling rate in Hz of the test sound for a system that takes any rate."""


RUNS, BUDGET_S = 3, 0.5
"""Largest number of timed runs of a system, and total seconds of runs after which no further run begins."""


@dataclass(frozen=True)
class Cost:
    """Memory and time of one system, measured with a test sound and not with the suite's clips."""

    mib: float
    """Peak memory of the process in MiB, less its memory before the system was created."""
    rtf: float
    """Wall-clock seconds per second of sound, median of the runs."""
    cpu_rtf: float | None
    """CPU seconds of all threads per second of sound, median; None where another process does the work."""
    load: float | None
    """The machine's load average over one minute, per core; None where the operating system does not report it."""


@dataclass(frozen=True)
class CostUnit:
    store: Path
    system: str


def measurable() -> bool:
    """Whether the peak memory of a process can be read from `STATUS`, a file that only Linux has."""
    return STATUS.is_file()


def measure(store: Store, systems: Sequence[str], workers: int) -> Iterator[int]:
    """Measures each system in a fresh process, `workers` at a time, and writes its cost to the store."""

    def in_a_fresh_process(system: str) -> int:
        with Workers(1) as fresh:
            return sum(fresh.map(measure_unit, [CostUnit(store.root, system)], _died))

    # The environment variables are set once, around the pool: its threads would overwrite each other's settings.
    with single_threaded_children(), ThreadPoolExecutor(workers) as pool:
        yield from pool.map(in_a_fresh_process, systems)


def measure_unit(unit: CostUnit) -> int:
    """Creates a system and restores four seconds of noise, first for the peak memory, then again for the time."""
    before = held("VmRSS")
    try:
        system = system_of(unit.system)
        assert isinstance(system, System)
        rate = system.card.rate or RATE
        rng = np.random.default_rng(0)
        sound = rng.normal(scale=1e-3, size=samples_for(SECONDS, rate)).astype(np.float32)
        inputs = [Audio(sound, rate)]
        system.restore(inputs, [0])
        peak = held("VmHWM") - before
        wall, cpu = timed(lambda: system.restore(inputs, [0]))
    except Exception as error:
        _note(unit, {"why": reason(error)})
    else:
        in_this_process = not system.card.environment and not system.card.argument
        load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None
        cost = Cost(round(peak, 1), wall / SECONDS, cpu / SECONDS if in_this_process else None, load)
        _note(unit, {"why": "", **asdict(cost)})
    return 1


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Medians of the wall-clock and CPU seconds of a few runs."""
    walls: list[float] = []
    cpus: list[float] = []
    while len(walls) < RUNS and sum(walls) < BUDGET_S:
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def held(field: str) -> float:
    """This process's memory in MiB: `field` is VmRSS for the current or VmHWM for the highest resident memory."""
    line = re.search(rf"^{field}:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    assert line
    return int(line[1]) / 1024


def _died(unit: CostUnit, why: str) -> int:
    _note(unit, {"why": why})
    return 1


def _note(unit: CostUnit, note: dict[str, object]) -> None:
    Store(unit.store).put_note("cost", digest(unit.system), note)


def costs_of(store: Store, plan: Plan) -> dict[str, Cost]:
    """System -> its cost, for those of the plan's systems that were measured without a failure."""
    notes = {system: store.note("cost", digest(system)) for system in plan.systems}
    names = [field.name for field in fields(Cost)]
    return {
        system: Cost(**{name: note[name] for name in names})
        for system, note in notes.items()
        if note and not note["why"]
    }
