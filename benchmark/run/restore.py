"""Stage 2: runs systems on batches of degraded clips and measures the time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from restorebench.benchmark.audio import require_finite as finite
from restorebench.benchmark.audio import resample, samples_for, write_float
from restorebench.benchmark.components import system_of
from restorebench.benchmark.contracts import System
from restorebench.benchmark.errors import AudioError, reason
from restorebench.benchmark.plan.plan import Job
from restorebench.benchmark.run.degrade import load_pair
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Audio

BATCH = 8
"""Number of clips in one call of a system."""


@dataclass(frozen=True)
class RestoreUnit:
    store: Path
    jobs: tuple[Job, ...]


def restore_unit(unit: RestoreUnit) -> list[str]:
    store = Store(unit.store)
    system = system_of(unit.jobs[0].system)
    assert isinstance(system, System)
    inputs: list[tuple[Job, Audio]] = []
    for job in unit.jobs:
        try:
            inputs.append((job, load_pair(store, job.trial).degraded))
        except Exception as error:
            store.put_note("restored", job.key, {"why": reason(error)})
    if inputs:
        _warm_up_once(unit.jobs[0].system, system.card.rate or inputs[0][1].rate)
    for job, result in restore_batch(system, inputs):
        if isinstance(result, str):
            store.put_note("restored", job.key, {"why": result})
            continue
        audio, seconds = result
        write_float(store.sound("restored", f"{job.key}.wav"), audio)
        store.put_note("restored", job.key, {"why": "", "sha256": audio.sha256(), "seconds": seconds})
    return [job.key for job in unit.jobs]


def one_by_one(unit: RestoreUnit) -> list[RestoreUnit]:
    """A unit for each clip."""
    return [RestoreUnit(unit.store, (job,)) for job in unit.jobs]


def restore_batch(system: System, inputs: Sequence[tuple[Job, Audio]]) -> list[tuple[Job, tuple[Audio, float] | str]]:
    """Each job with (output, seconds), or with the reason of its failure.

    The seconds are the clip's share of the batch's processing time; shares are proportional to the clips' durations.
    When a batch fails, its clips are tried one by one, so that only the clips at fault are lost.
    """
    if not inputs:
        return []
    rate = system.card.rate
    batch = [Audio(resample(a.samples, a.rate, rate), rate) if rate else a for _, a in inputs]
    start = time.perf_counter()
    try:
        outputs = restored(system, batch, [job.seed for job, _ in inputs])
        if len(outputs) != len(batch):
            raise AudioError(f"returned {len(outputs)} clips for {len(batch)}; a system must return one per input")
    except Exception as error:
        if len(inputs) == 1:
            return [(inputs[0][0], reason(error))]
        return [restore_batch(system, [item])[0] for item in inputs]
    elapsed = time.perf_counter() - start
    total = sum(a.seconds for a in batch)
    results: list[tuple[Job, tuple[Audio, float] | str]] = []
    for (job, _), source, output in zip(inputs, batch, outputs, strict=True):
        try:
            results.append((job, (checked(output, source), elapsed * source.seconds / total)))
        except Exception as error:
            results.append((job, reason(error)))
    return results


def restored(system: System, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
    """Outputs of a system for sounds at its rate; the delay that the system's card states is removed."""
    if not system.card.delay_s:
        return list(system.restore(batch, seeds))
    delays = [round(system.card.delay_s * audio.rate) for audio in batch]
    longer = [Audio(np.pad(audio.samples, (0, n)), audio.rate) for audio, n in zip(batch, delays, strict=True)]
    outputs = list(system.restore(longer, seeds))
    return [Audio(audio.samples[n:], audio.rate) for audio, n in zip(outputs, delays, strict=True)]


@cache
def _warm_up_once(name: str, rate: int) -> None:
    component = system_of(name)
    assert isinstance(component, System)
    warm_up(component, rate)


def warm_up(system: System, rate: int) -> None:
    """Restores one second of noise, so that a system loads its weights before it is timed.

    Errors are ignored here: an error that persists is raised again by the first clip, and recorded then.
    """
    quiet = np.random.default_rng(0).normal(scale=1e-3, size=rate).astype(np.float32)
    with suppress(Exception):
        system.restore([Audio(quiet, rate)], [0])


def checked(output: Audio, clip: Audio) -> Audio:
    """The output, if it has the input's rate and length and finite samples. Raises AudioError."""
    if output.rate != clip.rate or len(output.samples) != len(clip.samples):
        raise AudioError(
            f"returned {len(output.samples)} samples at {output.rate} Hz for {len(clip.samples)} at {clip.rate} Hz; "
            "a system must return its input's length: trim or pad inside its `restore`"
        )
    finite(output.samples, "its output")
    return output


def _restore_died(unit: RestoreUnit, why: str) -> list[str]:
    store = Store(unit.store)
    for job in unit.jobs:
        if store.note("restored", job.key) is None:
            store.put_note("restored", job.key, {"why": why})
    return [job.key for job in unit.jobs]


def restore_audio(system: System, audio: Audio, seed: int) -> tuple[Audio, float]:
    """One recording restored, at the recording's rate and length, and the seconds of processing. Raises AudioError."""
    rate = system.card.rate or audio.rate
    source = Audio(resample(audio.samples, audio.rate, rate), rate)
    start = time.perf_counter()
    output = checked(restored(system, [source], [seed])[0], source)
    seconds = time.perf_counter() - start
    back = resample(output.samples, rate, audio.rate)
    return Audio(back[: samples_for(audio.seconds, audio.rate)], audio.rate), seconds
