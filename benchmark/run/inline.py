"""Restores with a Python object in this process: a function or a `System` that is in no registry.

The engine cannot detect whether such an object has changed since an earlier run, so every clip is restored again. The
key of a restoration is made from the hash of the output, so scores of an unchanged output are not computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from restorebench.benchmark.audio import write_float
from restorebench.benchmark.contracts import System, SystemCard
from restorebench.benchmark.core.progress import Progress
from restorebench.benchmark.core.seeds import integer
from restorebench.benchmark.errors import reason
from restorebench.benchmark.plan.keys import restoration_key
from restorebench.benchmark.plan.plan import Job
from restorebench.benchmark.run.degrade import load_pair
from restorebench.benchmark.run.restore import BATCH, restore_batch, warm_up
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.suite import Suite
from restorebench.benchmark.types import Audio, Trial

Restorer = Callable[[np.ndarray, int], np.ndarray]
"""(samples [time] float32, rate in Hz) -> samples of the same shape."""


class FunctionSystem:
    """A function as a `System`."""

    def __init__(self, function: Restorer, name: str) -> None:
        self.function = function
        self.card = SystemCard(name=name, version=1, summary="A Python function", source=repr(function))

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [
            Audio(np.asarray(self.function(audio.samples.copy(), audio.rate), dtype=np.float32), audio.rate)
            for audio in batch
        ]


def restore_inline(
    system: System, name: str, suite: Suite, trials: Sequence[Trial], store: Store, progress: Progress
) -> list[Job]:
    """Restores the trials' degraded clips into a store; a clip that fails has a job too, and a note with the reason.

    Args:
        system: Restorer; called in this process with batches of `BATCH` clips.
        name: Name of the system in tables.
        suite: Its seeds are used; a system that does not sample uses the first one.
        trials: Clips, already degraded in the store.
        store: Where sounds and notes are written.
        progress: Shows the stage.

    Returns:
        One job per trial and seed; the job's key depends on the hash of the output.
    """
    draws = suite.seeds if system.card.stochastic else suite.seeds[:1]
    origin = suite.base or suite.name
    planned = [Job(trial, name, draw, integer(origin, trial.id, name, draw), "") for draw in draws for trial in trials]
    done: list[Job] = []

    def steps() -> Iterator[int]:
        for start in range(0, len(planned), BATCH):
            batch = planned[start : start + BATCH]
            done.extend(_restore(system, batch, store, first=start == 0))
            yield len(batch)

    progress("restore", len(planned), steps())
    order = {(trial.id, draw): index for index, (trial, draw) in enumerate((t, d) for t in trials for d in draws)}
    return sorted(done, key=lambda job: order[job.trial.id, job.draw])


def _restore(system: System, batch: Sequence[Job], store: Store, first: bool) -> list[Job]:
    inputs: list[tuple[Job, Audio]] = []
    failures: list[tuple[Job, str]] = []
    for job in batch:
        try:
            inputs.append((job, load_pair(store, job.trial).degraded))
        except Exception as error:
            failures.append((job, reason(error)))
    if inputs and first:
        warm_up(system, system.card.rate or inputs[0][1].rate)
    done = []
    for job, result in [*restore_batch(system, inputs), *failures]:
        if isinstance(result, str):
            keyed = _keyed(job, f"failed: {result}")
            store.put_note("restored", keyed.key, {"why": result})
        else:
            audio, seconds = result
            keyed = _keyed(job, audio.sha256())
            write_float(store.sound("restored", f"{keyed.key}.wav"), audio)
            store.put_note("restored", keyed.key, {"why": "", "sha256": audio.sha256(), "seconds": seconds})
        done.append(keyed)
    return done


def _keyed(job: Job, result: str) -> Job:
    return Job(job.trial, job.system, job.draw, job.seed, restoration_key(job.trial.key, job.system, result, job.seed))
