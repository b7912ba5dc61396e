"""Scores the outputs of several systems for one clip. A sound is decoded once; a metric prepares the reference once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from restorebench.benchmark import registry
from restorebench.benchmark.audio import LENGTH_TOLERANCE_S, conform
from restorebench.benchmark.contracts import Metric, MetricCard, Subject
from restorebench.benchmark.errors import AudioError, reason
from restorebench.benchmark.plan.keys import score_key, signature
from restorebench.benchmark.plan.plan import Job
from restorebench.benchmark.run.alignment import align
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.types import Outcome, Pair, Record, Restoration, Rows, Trial

DELAY_RATE = 16_000


@dataclass(frozen=True)
class ScoreUnit:
    trial: Trial
    pair: Pair | None
    jobs: tuple[Job, ...]
    metrics: Mapping[str, tuple[str, ...]]
    """Job key -> names of the metrics to measure on it."""


@cache
def metric(name: str) -> Metric:
    """A metric, made once per process."""
    created: Metric = registry.create("metrics", name)
    return created


def records_of(unit: ScoreUnit, restorations: Mapping[str, Restoration | str]) -> dict[Rows, list[Record]]:
    """A record for every planned value: a number, or a reason. Processing times are in `timings`."""
    clips = {key: SharedClip(d.audio, d.seconds) for key, d in restorations.items() if isinstance(d, Restoration)}
    reference = SharedClip(unit.pair.reference) if unit.pair and unit.pair.reference else None
    records: dict[Rows, list[Record]] = {"scores": [], "timings": []}
    wanted = sorted({name for names in unit.metrics.values() for name in names})
    for name in wanted:
        jobs = [job for job in unit.jobs if name in unit.metrics[job.key]]
        estimates: list[SharedClip | str] = [
            clips[job.key] if job.key in clips else str(restorations[job.key]) for job in jobs
        ]
        subject = Subject(reference=reference, text=unit.jobs[0].text, language=unit.trial.utterance.language)
        outcomes = score(metric(name), subject, estimates)
        card = metric(name).card
        if reference and any(value.role == "fidelity" for value in card.values):
            outcomes = [
                with_delay(outcome, clip, reference) if isinstance(clip, SharedClip) else outcome
                for outcome, clip in zip(outcomes, estimates, strict=True)
            ]
        rows: Rows = "timings" if "seconds" in card.needs else "scores"
        records[rows] += [
            record(job, card, value, outcome)
            for job, values in zip(jobs, outcomes, strict=True)
            for value, outcome in values.items()
        ]
    return records


def score(scorer: Metric, subject: Subject, estimates: Sequence[SharedClip | str]) -> list[Mapping[str, Outcome]]:
    """Outcomes per estimate. An estimate that is a text stands for a failed restoration; the text is the reason."""
    card = scorer.card
    results: list[Mapping[str, Outcome] | None] = [
        failure(card, estimate) if isinstance(estimate, str) else None for estimate in estimates
    ]
    lacking = _lacking(card, subject)
    usable: list[tuple[int, SharedClip]] = []
    for index, estimate in enumerate(estimates):
        if isinstance(estimate, str):
            continue
        if lacking:
            results[index] = failure(card, lacking)
            continue
        try:
            usable.append((index, conformed(estimate, subject.reference) if card.conforms else estimate))
        except AudioError as error:
            results[index] = failure(card, str(error))
    if usable:
        try:
            prepared = scorer.prepare(subject)
            outcomes = _each(scorer, prepared, usable)
        except Exception as error:
            outcomes = [failure(card, f"reference: {reason(error)}") for _ in usable]
        for (index, _), outcome in zip(usable, outcomes, strict=True):
            results[index] = outcome
    return [outcome for outcome in results if outcome is not None]


def _lacking(card: MetricCard, subject: Subject) -> str:
    """The failure reason for a clip without the reference or text that the metric needs; "" if it has them."""
    if "reference" in card.needs and subject.reference is None:
        return "no reference for this clip"
    if "text" in card.needs and subject.text is None:
        return "no transcript for this clip; add its line to the texts file"
    return ""


def _each(scorer: Metric, prepared: Any, usable: Sequence[tuple[int, SharedClip]]) -> list[Mapping[str, Outcome]]:
    """Scores all clips in one call; if it raises, scores clip by clip, so that only the clips at fault fail."""
    try:
        outcomes = list(scorer.score(prepared, [clip for _, clip in usable]))
        if len(outcomes) != len(usable):
            raise ValueError(f"{scorer.card.name} gave {len(outcomes)} results for {len(usable)} clips")
        return [_complete(scorer.card, outcome) for outcome in outcomes]
    except Exception as error:
        if len(usable) == 1:
            return [failure(scorer.card, reason(error))]
        return [_each(scorer, prepared, [one])[0] for one in usable]


def _complete(card: MetricCard, outcome: Mapping[str, Outcome]) -> Mapping[str, Outcome]:
    """The outcome, if it has exactly the card's values; a number that is not finite becomes a failure."""
    wanted = {value.name for value in card.values}
    if set(outcome) != wanted:
        raise ValueError(f"{card.name} gave the values {sorted(outcome)}; its card says {sorted(wanted)}")
    return {
        name: o if o.value is None or math.isfinite(o.value) else Outcome(None, why=f"{card.name} gave {o.value}")
        for name, o in outcome.items()
    }


def with_delay(outcomes: Mapping[str, Outcome], clip: SharedClip, reference: SharedClip) -> Mapping[str, Outcome]:
    """Adds the component `delay_ms` to outcomes of a waveform metric: a delay of the estimate changes such scores.

    Nothing is added where the delay is 0 or the estimate's waveform does not correlate with the reference's.
    """
    if all(outcome.value is None for outcome in outcomes.values()):
        return outcomes
    delay = delay_ms(clip, reference)
    return {
        name: replace(o, components={**o.components, "delay_ms": delay}) if o.value is not None and delay else o
        for name, o in outcomes.items()
    }


def delay_ms(clip: SharedClip, reference: SharedClip) -> float:
    """Delay in ms of the estimate against its reference; 0 where the waveforms do not correlate. Raises AudioError."""

    def measured() -> float:
        view = conformed(clip, reference)
        if not np.any(view.at(DELAY_RATE)) or not np.any(reference.at(DELAY_RATE)):
            return 0.0
        alignment = align(view.at(DELAY_RATE), reference.at(DELAY_RATE), DELAY_RATE)
        return round(1000 * alignment.delay_s, 3) if alignment.exact else 0.0

    return clip.once("delay", measured)


def conformed(clip: SharedClip, reference: SharedClip) -> SharedClip:
    """The clip at the reference's rate and length, conformed once."""
    if (clip.audio.rate, len(clip.audio.samples)) == (reference.audio.rate, len(reference.audio.samples)):
        return clip
    view: SharedClip = clip.once(
        "conformed", lambda: SharedClip(conform(clip.audio, reference.audio, LENGTH_TOLERANCE_S), clip.seconds)
    )
    return view


def failure(card: MetricCard, why: str) -> Mapping[str, Outcome]:
    return {value.name: Outcome(None, why=why) for value in card.values}


def record(job: Job, card: MetricCard, value: str, outcome: Outcome) -> Record:
    """The row of one value of one clip."""
    computed_by = signature(card, job.synthesizer)
    return Record(
        suite=job.trial.suite,
        condition=job.trial.condition,
        utterance=job.trial.utterance.id,
        speaker=job.trial.utterance.speaker,
        system=job.system,
        seed=job.draw,
        metric=card.name,
        signature=computed_by,
        value_name=value,
        value=outcome.value,
        components=json.dumps(dict(outcome.components), sort_keys=True),
        why=outcome.why,
        key=score_key(job, card, computed_by),
    )
