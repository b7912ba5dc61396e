"""Stage 3 of a suite with speech: a synthesizer says each clip's sentence with the restored clip as its prompt.

Source: SISE Table 2. A failed sentence is recorded as a failure and still counts in a cell's planned number of values.
Anchors are the speech of the clean prompt (`target`) and of the degraded one (`unprocessed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restorebench.benchmark.audio import require_finite, write_float
from restorebench.benchmark.components import synthesizer_of
from restorebench.benchmark.contracts import SpeechRequest, Synthesizer
from restorebench.benchmark.errors import AudioError, reason
from restorebench.benchmark.plan.plan import Job
from restorebench.benchmark.run.degrade import load_pair
from restorebench.benchmark.run.score import delivered
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Audio, Restoration

BATCH = 8
"""Number of sentences in one call of a synthesizer."""
SILENT_PEAK = 1e-3
"""Speech whose peak is below -60 dBFS counts as silence."""


@dataclass(frozen=True)
class SpeakUnit:
    store: Path
    jobs: tuple[Job, ...]


def speak_unit(unit: SpeakUnit) -> list[str]:
    """Synthesizes the sentences of a unit's jobs; returns the jobs' keys."""
    store = Store(unit.store)
    requests: list[tuple[Job, SpeechRequest]] = []
    for job in unit.jobs:
        try:
            requests.append((job, _request(store, job)))
        except Exception as error:
            store.put_note("spoken", job.key, {"why": f"no prompt: {reason(error)}"})
    for job, result in speak_batch(synthesizer_of(unit.jobs[0].synthesizer), requests):
        if isinstance(result, str):
            store.put_note("spoken", job.key, {"why": result})
            continue
        write_float(store.sound("spoken", f"{job.key}.wav"), result)
        store.put_note("spoken", job.key, {"why": "", "sha256": result.sha256()})
    return [job.key for job in unit.jobs]


def one_by_one(unit: SpeakUnit) -> list[SpeakUnit]:
    """A unit for each sentence."""
    return [SpeakUnit(unit.store, (job,)) for job in unit.jobs]


def _request(store: Store, job: Job) -> SpeechRequest:
    """The request for a job's speech. Raises AudioError, with the reason, if there is no prompt."""
    clip = job.trial.utterance
    prompt = delivered(store, job.restoration, load_pair(store, job.trial))
    if not isinstance(prompt, Restoration):
        raise AudioError(prompt)
    assert clip.text is not None
    assert clip.say is not None
    return SpeechRequest(prompt.audio, clip.text, clip.say, clip.language, job.speech_seed)


def speak_batch(
    synthesizer: Synthesizer, requests: Sequence[tuple[Job, SpeechRequest]]
) -> list[tuple[Job, Audio | str]]:
    """Each job with the synthesizer's speech, or with the reason of the failure.

    When a batch fails, its sentences are tried one by one, so that only those at fault are lost. Speech that is silent
    or invalid is not synthesized again here: that a synthesizer fails on a prompt is a result.
    """
    if not requests:
        return []
    try:
        spoken = list(synthesizer.synthesize([request for _, request in requests]))
        if len(spoken) != len(requests):
            raise AudioError(f"returned {len(spoken)} sounds for {len(requests)} requests; wanted one per request")
    except Exception as error:
        if len(requests) == 1:
            return [(requests[0][0], reason(error))]
        return [speak_batch(synthesizer, [request])[0] for request in requests]
    results: list[tuple[Job, Audio | str]] = []
    for (job, _), audio in zip(requests, spoken, strict=True):
        try:
            results.append((job, _audible(audio, synthesizer.card.rate)))
        except AudioError as error:
            results.append((job, reason(error)))
    return results


def _audible(audio: Audio, rate: int) -> Audio:
    """The speech, if it is finite, not silent and at the card's rate. Raises AudioError."""
    if audio.rate != rate:
        raise AudioError(f"spoke at {audio.rate} Hz; its card says {rate} Hz")
    require_finite(audio.samples, "its speech")
    if len(audio.samples) == 0 or np.abs(audio.samples).max() < SILENT_PEAK:
        raise AudioError("said nothing: its speech is silent")
    return audio


def _speak_died(unit: SpeakUnit, why: str) -> list[str]:
    store = Store(unit.store)
    for job in unit.jobs:
        if store.note("spoken", job.key) is None:
            store.put_note("spoken", job.key, {"why": why})
    return [job.key for job in unit.jobs]
