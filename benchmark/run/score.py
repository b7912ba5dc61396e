"""The last stage: scores the outputs of the systems, trial by trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from restorebench.benchmark.components import system_of
from restorebench.benchmark.contracts import Supplied
from restorebench.benchmark.errors import AudioError, reason
from restorebench.benchmark.plan.plan import Job, Plan
from restorebench.benchmark.run.degrade import load_pair, stored
from restorebench.benchmark.run.scoring import ScoreUnit, records_of
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Audio, Pair, Record, Restoration, Rows, Trial


@dataclass(frozen=True)
class TrialUnit:
    store: Path
    plan_metrics: dict[str, tuple[str, ...]]
    """Job key -> metrics still to be measured."""
    jobs: tuple[Job, ...]


def metric_by_metric(unit: TrialUnit) -> list[TrialUnit]:
    """A unit for each job and metric."""
    return [TrialUnit(unit.store, {job.key: (m,)}, (job,)) for job in unit.jobs for m in unit.plan_metrics[job.key]]


def delivered(store: Store, job: Job, pair: Pair) -> Restoration | str:
    """The sound that is scored for a job (a system's output, or the speech prompted by it), or why there is none."""
    if job.synthesizer:
        return _speech(store, job)
    note = store.note("restored", job.key)
    if note is None:
        component = system_of(job.system)
        if not isinstance(component, Supplied):
            return "the clip was not restored; run the suite again"
        try:
            return Restoration(component.supply(job.trial, pair), None)
        except Exception as error:
            return reason(error)
    if note["why"]:
        return str(note["why"])
    try:
        audio = stored(store.sound("restored", f"{job.key}.wav"), note["sha256"])
    except AudioError as error:
        return reason(error)
    return Restoration(audio, float(note["seconds"]))


def _speech(store: Store, job: Job) -> Restoration | str:
    note = store.note("spoken", job.key)
    if note is None or note["why"]:
        return str(note["why"]) if note else "the sentence was not spoken; run the suite again"
    try:
        return Restoration(stored(store.sound("spoken", f"{job.key}.wav"), note["sha256"]), None)
    except AudioError as error:
        return reason(error)


def ends(plan: Plan) -> tuple[str, str]:
    """The names of a clip's degraded and clean versions in the result of `versions_of_clip`."""
    return ("degraded prompt", "clean prompt") if plan.suite.speech else ("unprocessed", "target")


def versions_of_clip(store: Store, plan: Plan) -> Callable[[Trial], dict[str, Audio]]:
    """A function that reads a trial's sounds: input, target if any, and each system's output for its first seed.

    In a suite with speech: the degraded and the clean prompt, and the speech that each system's prompt gave.
    """
    before, after = ends(plan)

    def versions(trial: Trial) -> dict[str, Audio]:
        try:
            pair = load_pair(store, trial)
        except AudioError:
            return {}
        audio_by_version = {before: pair.degraded}
        for job in plan.by_trial[trial.id]:
            if job.system not in (*audio_by_version, after):
                sound = delivered(store, job, pair)
                if isinstance(sound, Restoration):
                    audio_by_version[job.system] = sound.audio
        return audio_by_version | ({after: pair.reference} if pair.reference else {})

    return versions


def score_trial_unit(unit: TrialUnit) -> int:
    store = Store(unit.store)
    trial = unit.jobs[0].trial
    restorations: dict[str, Restoration | str] = {}
    pair: Pair | None = None
    try:
        pair = load_pair(store, trial)
    except Exception as error:
        restorations = {job.key: f"no input: {reason(error)}" for job in unit.jobs}
    if pair is not None:
        restorations = {job.key: delivered(store, job, pair) for job in unit.jobs}
    records = records_of(ScoreUnit(trial, pair, unit.jobs, unit.plan_metrics), restorations)
    _put(store, records)
    return len(unit.jobs)


def _put(store: Store, records: dict[Rows, list[Record]]) -> None:
    for rows, new in records.items():
        if new:
            store.put(rows, new)


def _score_died(unit: TrialUnit, why: str) -> int:
    restorations: dict[str, Restoration | str] = {job.key: f"scoring: {why}" for job in unit.jobs}
    _put(Store(unit.store), records_of(ScoreUnit(unit.jobs[0].trial, None, unit.jobs, unit.plan_metrics), restorations))
    return len(unit.jobs)
