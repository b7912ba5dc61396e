"""Executes a plan on a local pool: pairs, then restorations system by system, then scores trial by trial.

Each unit is written whole by the worker that made it, so a run that is killed loses at most the units that were open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np

from restorebench.benchmark import registry
from restorebench.benchmark.audio import read, resample, samples_for, write_float, write_grid
from restorebench.benchmark.audio import require_finite as finite
from restorebench.benchmark.contracts import Corruption, Supplied, System
from restorebench.benchmark.environments import build, used_by
from restorebench.benchmark.errors import AudioError, reason
from restorebench.benchmark.memory import measurable, measure
from restorebench.benchmark.pairs import make as make_pair
from restorebench.benchmark.plan import Job, Plan, component_of
from restorebench.benchmark.pool import Workers
from restorebench.benchmark.scoring import Delivered, ScoreUnit, records_of, score_key
from restorebench.benchmark.store import Store
from restorebench.benchmark.suite import Suite
from restorebench.benchmark.types import Audio, Pair, Record, Rows, Trial

BATCH = 8
"""Clips that a system is handed at once."""

Unit = TypeVar("Unit")
Progress = Callable[[str, int, Iterator[int]], None]
"""Shows a stage: its name, the number of its steps, and the steps done as they come."""


def say_nothing(stage: str, total: int, steps: Iterator[int]) -> None:
    for _ in steps:
        pass


@dataclass(frozen=True)
class PairUnit:
    store: Path
    suite: Suite
    trial: Trial


@dataclass(frozen=True)
class RestoreUnit:
    store: Path
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class TrialUnit:
    store: Path
    plan_metrics: dict[str, tuple[str, ...]]
    """Job key -> metrics still to be measured."""
    jobs: tuple[Job, ...]


def run(plan: Plan, store: Store, workers: int, progress: Progress = say_nothing, retry_failed: bool = False) -> None:
    """Finishes a plan in a store: whatever is there already is not done again.

    Failed units count as done unless `retry_failed`.
    """
    store.put_plan(plan)
    if retry_failed:
        _forget_failures(plan, store)
    pairs = [PairUnit(store.root, plan.suite, t) for t in _distinct_trials(plan) if store.note("pairs", t.key) is None]
    scored = store.keys("scores") | store.keys("timings")
    restorations = {isolated: _restorations(plan, store, isolated) for isolated in (False, True)}
    scores = {isolated: list(_scores(plan, store, scored, isolated)) for isolated in (False, True)}
    _build_environments(plan, restorations[True], scores[True], progress)
    # What lives in an environment of its own is driven by one process, so that it is in memory once.
    with Workers(workers) as pool, Workers(1) as lone:
        progress("degrade", len(pairs), (1 for _ in pool.map(make_pair_unit, pairs, _pair_died)))
        stages = ((pool, False, ""), (lone, True, ", own environments"))
        for by, isolated, where in stages:
            restored = by.map(restore_unit, restorations[isolated], _restore_died, one_by_one)
            total = sum(len(unit.jobs) for unit in restorations[isolated])
            progress(f"restore{where}", total, (len(unit) for unit in restored))
        if timed := _timed(plan, restorations[False]):
            progress("memory", len(timed), measure(store, timed))
        for by, isolated, where in stages:
            total = sum(len(unit.jobs) for unit in scores[isolated])
            progress(f"score{where}", total, by.map(score_trial_unit, scores[isolated], _score_died, metric_by_metric))


def _timed(plan: Plan, restorations: Sequence[RestoreUnit]) -> list[str]:
    """Systems that ran now, where their cost is wanted."""
    wanted = measurable() and any("seconds" in card.needs for card in plan.metric_cards.values())
    return list(dict.fromkeys(unit.jobs[0].system for unit in restorations)) if wanted else []


def _build_environments(
    plan: Plan, restorations: Sequence[RestoreUnit], scores: Sequence[TrialUnit], progress: Progress
) -> None:
    """Those of what is still to be done, before anything starts. Raises RequestError with the resolver's words."""
    systems = {unit.jobs[0].system for unit in restorations}
    metrics = {name for unit in scores for names in unit.plan_metrics.values() for name in names}
    cards = [plan.system_cards[name] for name in systems] + [plan.metric_cards[name] for name in metrics]
    build(used_by((card.name, card.environment) for card in cards), progress)


def _distinct_trials(plan: Plan) -> list[Trial]:
    return list({t.key: t for t in plan.trials if t.utterance.degraded is None}.values())


def _restorations(plan: Plan, store: Store, isolated: bool) -> list[RestoreUnit]:
    units = []
    for name, group in groupby(plan.jobs, key=lambda job: job.system):
        if bool(plan.system_cards[name].environment) != isolated or isinstance(component_of(name), Supplied):
            continue
        todo = [job for job in group if store.note("restored", job.key) is None]
        units += [RestoreUnit(store.root, tuple(todo[i : i + BATCH])) for i in range(0, len(todo), BATCH)]
    return units


def _scores(plan: Plan, store: Store, scored: frozenset[str], isolated: bool) -> Iterator[TrialUnit]:
    cards = plan.metric_cards
    chosen = {name for name, card in cards.items() if bool(card.environment) == isolated}
    for jobs in plan.by_trial.values():
        todo = {
            job.key: tuple(
                m
                for m in plan.metrics_for(job)
                if m in chosen and score_key(job, cards[m], plan.signatures[m]) not in scored
            )
            for job in jobs
        }
        if any(todo.values()):
            yield TrialUnit(store.root, todo, tuple(job for job in jobs if todo[job.key]))


def _forget_failures(plan: Plan, store: Store) -> None:
    for trial in _distinct_trials(plan):
        if (store.note("pairs", trial.key) or {}).get("why"):
            store.forget("pairs", trial.key)
    for job in plan.jobs:
        if (store.note("restored", job.key) or {}).get("why"):
            store.forget("restored", job.key)
    planned = {
        score_key(job, card, plan.signatures[name]) for job in plan.jobs for name, card in plan.metric_cards.items()
    }
    store.drop_failures("scores", planned)
    store.drop_failures("timings", planned)


# Pairs.


def make_pair_unit(unit: PairUnit) -> str:
    store, trial = Store(unit.store), unit.trial
    corruption: Corruption | None = None
    try:
        if trial.recipe is not None:
            corruption = registry.make("corruptions", trial.recipe.corruption)
        pair = make_pair(trial.utterance, trial.recipe, corruption)
    except Exception as error:
        store.put_note("pairs", trial.key, {"why": reason(error)})
        return trial.key
    assert pair.reference is not None
    write_grid(store.sound("pairs", f"{trial.key}.reference.flac"), pair.reference)
    write_grid(store.sound("pairs", f"{trial.key}.degraded.flac"), pair.degraded)
    note = {"degraded": pair.degraded.sha256(), "reference": pair.reference.sha256(), "rate": pair.degraded.rate}
    store.put_note("pairs", trial.key, {**note, "why": ""})
    return trial.key


def _pair_died(unit: PairUnit, why: str) -> str:
    Store(unit.store).put_note("pairs", unit.trial.key, {"why": why})
    return unit.trial.key


def load_pair(store: Store, trial: Trial) -> Pair:
    """The pair of a trial as the store holds it; a recorded one is read from its corpus. Raises AudioError."""
    if trial.utterance.degraded is not None:
        return make_pair(trial.utterance, None, None)
    note = store.note("pairs", trial.key)
    if note is None or note["why"]:
        raise AudioError(note["why"] if note else "the pair has not been made")
    sides = ("reference", "degraded")
    reference, degraded = (stored(store.sound("pairs", f"{trial.key}.{side}.flac"), note[side]) for side in sides)
    return Pair(reference, degraded)


def stored(path: Path, sha256: str) -> Audio:
    """A sound of the store. Raises AudioError when it is not the one that was written."""
    audio = read(path)
    if (seen := audio.sha256()) != sha256:
        raise AudioError(f"{path.name}: samples hash to {seen}, wanted {sha256}; run again with --retry-failed")
    return audio


# Restorations.


def restore_unit(unit: RestoreUnit) -> list[str]:
    store = Store(unit.store)
    system = component_of(unit.jobs[0].system)
    assert isinstance(system, System)
    inputs: list[tuple[Job, Audio]] = []
    for job in unit.jobs:
        try:
            inputs.append((job, load_pair(store, job.trial).degraded))
        except Exception as error:
            store.put_note("restored", job.key, {"why": reason(error)})
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
    """What a system delivers for each clip, with its seconds, or why it failed.

    When a batch fails, its clips are tried one by one, so that only the clips at fault are lost.
    """
    if not inputs:
        return []
    rate = system.card.rate
    _warm_up(inputs[0][0].system, rate or inputs[0][1].rate)
    batch = [Audio(resample(a.samples, a.rate, rate), rate) if rate else a for _, a in inputs]
    start = time.perf_counter()
    try:
        outputs = list(system.restore(batch, [job.seed for job, _ in inputs]))
        if len(outputs) != len(batch):
            raise AudioError(f"returned {len(outputs)} clips for {len(batch)}; a system must return one per input")
    except Exception as error:
        if len(inputs) == 1:
            return [(inputs[0][0], reason(error))]
        return [restore_batch(system, [item])[0] for item in inputs]
    elapsed = time.perf_counter() - start
    total = sum(a.seconds for a in batch)
    results: list[tuple[Job, tuple[Audio, float] | str]] = []
    for (job, _), given, made in zip(inputs, batch, outputs, strict=True):
        try:
            results.append((job, (checked(made, given), elapsed * given.seconds / total)))
        except Exception as error:
            results.append((job, reason(error)))
    return results


@cache
def _warm_up(name: str, rate: int) -> None:
    """Lets a system load its weights before it is timed. What goes wrong here will go wrong again, and be recorded."""
    quiet = np.random.default_rng(0).normal(scale=1e-3, size=rate).astype(np.float32)
    with suppress(Exception):
        component = component_of(name)
        assert isinstance(component, System)
        component.restore([Audio(quiet, rate)], [0])


def checked(made: Audio, given: Audio) -> Audio:
    """The output, if it has the input's rate and length and finite samples. Raises AudioError."""
    if made.rate != given.rate or len(made.samples) != len(given.samples):
        raise AudioError(
            f"returned {len(made.samples)} samples at {made.rate} Hz for {len(given.samples)} at {given.rate} Hz; "
            "a system must return its input's length: trim or pad inside its `restore`"
        )
    finite(made.samples, "its output")
    return made


def _restore_died(unit: RestoreUnit, why: str) -> list[str]:
    store = Store(unit.store)
    for job in unit.jobs:
        if store.note("restored", job.key) is None:
            store.put_note("restored", job.key, {"why": why})
    return [job.key for job in unit.jobs]


def restore_file(name: str, audio: Audio, seed: int) -> tuple[Audio, float]:
    """One recording through one system, back at its own rate and length. Raises AudioError."""
    system = component_of(name)
    assert isinstance(system, System)
    rate = system.card.rate or audio.rate
    given = Audio(resample(audio.samples, audio.rate, rate), rate)
    start = time.perf_counter()
    made = checked(next(iter(system.restore([given], [seed]))), given)
    seconds = time.perf_counter() - start
    back = resample(made.samples, rate, audio.rate)
    return Audio(back[: samples_for(audio.seconds, audio.rate)], audio.rate), seconds


# Scores.


def metric_by_metric(unit: TrialUnit) -> list[TrialUnit]:
    """A unit for each system and metric."""
    return [TrialUnit(unit.store, {job.key: (m,)}, (job,)) for job in unit.jobs for m in unit.plan_metrics[job.key]]


def delivered(store: Store, job: Job, pair: Pair) -> Delivered | str:
    """What a system delivered for a trial, or why there is nothing."""
    component = component_of(job.system)
    if isinstance(component, Supplied):
        try:
            return Delivered(component.supply(job.trial.utterance, pair), None)
        except Exception as error:
            return reason(error)
    note = store.note("restored", job.key)
    if note is None or note["why"]:
        return str(note["why"]) if note else "was not restored"
    try:
        audio = stored(store.sound("restored", f"{job.key}.wav"), note["sha256"])
    except AudioError as error:
        return reason(error)
    return Delivered(audio, float(note["seconds"]))


def versions_of_clip(store: Store, plan: Plan) -> Callable[[Trial], dict[str, Audio]]:
    """Reads what there is of a trial: input, target, and what each system delivered with its first seed."""

    def versions(trial: Trial) -> dict[str, Audio]:
        try:
            pair = load_pair(store, trial)
        except AudioError:
            return {}
        found = {"unprocessed": pair.degraded}
        for job in plan.by_trial[trial.id]:
            if job.system not in (*found, "target"):
                sound = delivered(store, job, pair)
                if isinstance(sound, Delivered):
                    found[job.system] = sound.audio
        return found | ({"target": pair.reference} if pair.reference else {})

    return versions


def score_trial_unit(unit: TrialUnit) -> int:
    store = Store(unit.store)
    trial = unit.jobs[0].trial
    found: dict[str, Delivered | str] = {}
    pair: Pair | None = None
    try:
        pair = load_pair(store, trial)
    except Exception as error:
        found = {job.key: f"no input: {reason(error)}" for job in unit.jobs}
    if pair is not None:
        found = {job.key: delivered(store, job, pair) for job in unit.jobs}
    records = records_of(ScoreUnit(trial, pair, unit.jobs, unit.plan_metrics), found)
    _put(store, records)
    return len(unit.jobs)


def _put(store: Store, records: dict[Rows, list[Record]]) -> None:
    for rows, some in records.items():
        if some:
            store.put(rows, some)


def _score_died(unit: TrialUnit, why: str) -> int:
    found: dict[str, Delivered | str] = {job.key: f"scoring: {why}" for job in unit.jobs}
    _put(Store(unit.store), records_of(ScoreUnit(unit.jobs[0].trial, None, unit.jobs, unit.plan_metrics), found))
    return len(unit.jobs)
