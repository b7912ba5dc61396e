"""Executes a plan on a pool of workers: pairs, restorations system by system, costs, speech, and scores trial by trial.

The worker that made a unit writes it atomically, so a killed run loses at most the units that were not finished.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

from restorebench.benchmark import registry
from restorebench.benchmark.components import synthesizer_card, system_of
from restorebench.benchmark.contracts import Card, Supplied
from restorebench.benchmark.core.atomic import sweep
from restorebench.benchmark.core.pool import Pool, Workers
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.errors import MAY_PASS, AudioError
from restorebench.benchmark.isolation.environments import build, used_by
from restorebench.benchmark.plan.keys import score_key
from restorebench.benchmark.plan.plan import Job, Plan
from restorebench.benchmark.plan.shard import WHOLE, Shard
from restorebench.benchmark.run.cost import measurable, measure
from restorebench.benchmark.run.degrade import PairUnit, _pair_died, load_pair, make_pair_unit, stored
from restorebench.benchmark.run.restore import BATCH, RestoreUnit, _restore_died, one_by_one, restore_unit
from restorebench.benchmark.run.score import TrialUnit, _score_died, metric_by_metric, score_trial_unit
from restorebench.benchmark.run.speak import BATCH as SENTENCES
from restorebench.benchmark.run.speak import SpeakUnit, _speak_died, speak_unit
from restorebench.benchmark.run.speak import one_by_one as speak_one_by_one
from restorebench.benchmark.store.store import ROWS, Kind, Outcomes, Store
from restorebench.benchmark.types import Trial

LOG = logging.getLogger("restorebench")
Unit = TypeVar("Unit")


def run(
    plan: Plan,
    store: Store,
    workers: int,
    progress: Progress = silent,
    retry_failed: bool = False,
    shard: Shard = WHOLE,
    pool: Pool | None = None,
) -> None:
    """Finishes a plan in a store; units that the store holds already are not computed again.

    pool: a pool that replaces the `workers` local processes. Components with an environment of their own, and the
    measurement of cost, stay on this machine.

    A failed unit is tried again if `retry_failed` is true or the machine caused the failure (`MAY_PASS`). Damaged units
    are made again; with `retry_failed`, sounds are checked against their hashes too. With a shard, only its part of the
    plan is run; the store keeps the whole plan.
    """
    for kind in ("pairs", "restored", "spoken", *ROWS, "plans"):
        sweep(store.root / kind)
    sweep(store.root)
    store.put_plan(plan)
    plan = shard.of(plan)
    damaged, outcomes = store.drop_damaged()
    for error in damaged:
        LOG.warning("%s; measured again", error)
    if forgotten := forget_failures(plan, store, retry_failed, outcomes):
        LOG.warning("%d failures of an earlier run are tried again", forgotten)
        outcomes = store.outcomes()
    pairs = [PairUnit(store.root, plan.suite, t) for t in _distinct_trials(plan) if store.note("pairs", t.key) is None]
    restorations = {isolated: _restorations(plan, store, isolated) for isolated in (False, True)}
    scores = {isolated: list(_scores(plan, store, outcomes, isolated)) for isolated in (False, True)}
    speech = _speech(plan, store)
    _build_environments(plan, restorations[True], scores[True], speech, progress)
    # One process drives all components with an environment of their own, so that each is in memory only once.
    with pool or Workers(workers) as pool, Workers(1) as single:
        progress("degrade", len(pairs), (1 for _ in pool.map(make_pair_unit, pairs, _pair_died)))
        stages = ((pool, False, ""), (single, True, ", own environments"))
        for stage_pool, isolated, suffix in stages:
            restored = stage_pool.map(restore_unit, restorations[isolated], _restore_died, one_by_one)
            total = sum(len(unit.jobs) for unit in restorations[isolated])
            progress(f"restore{suffix}", total, (len(unit) for unit in restored))
        if timed := _timed(plan, restorations[False]):
            progress("cost", len(timed), measure(store, timed, workers))
        if speech:
            stage_pool = single if synthesizer_card(plan.suite.synthesizer).environment else pool
            spoken = stage_pool.map(speak_unit, speech, _speak_died, speak_one_by_one)
            progress("speak", sum(len(unit.jobs) for unit in speech), (len(keys) for keys in spoken))
        for stage_pool, isolated, suffix in stages:
            total = sum(len(unit.jobs) for unit in scores[isolated])
            scored_units = stage_pool.map(score_trial_unit, scores[isolated], _score_died, metric_by_metric)
            progress(f"score{suffix}", total, scored_units)


def _timed(plan: Plan, restorations: Sequence[RestoreUnit]) -> list[str]:
    """Systems of these restorations whose cost is to be measured; none unless a metric needs `seconds`."""
    wanted = measurable() and any("seconds" in card.needs for card in plan.metric_cards.values())
    return list(dict.fromkeys(unit.jobs[0].system for unit in restorations)) if wanted else []


def _build_environments(
    plan: Plan,
    restorations: Sequence[RestoreUnit],
    scores: Sequence[TrialUnit],
    speech: Sequence[SpeakUnit],
    progress: Progress,
) -> None:
    """Builds the environments that the units to be run need. Raises RequestError with uv's error message."""
    systems = {unit.jobs[0].system for unit in restorations}
    metrics = {name for unit in scores for names in unit.plan_metrics.values() for name in names}
    cards: list[Card] = [plan.system_cards[name] for name in systems] + [plan.metric_cards[name] for name in metrics]
    cards += [synthesizer_card(plan.suite.synthesizer)] if speech else []
    build(used_by((card.name, card.environment) for card in cards), progress)


def _distinct_trials(plan: Plan) -> list[Trial]:
    return list({t.key: t for t in plan.trials if t.utterance.degraded is None}.values())


def _restorations(plan: Plan, store: Store, isolated: bool) -> list[RestoreUnit]:
    units = []
    for name, group in groupby(plan.jobs, key=lambda job: job.system):
        if bool(plan.system_cards[name].environment) != isolated:
            continue
        wanted = {job.restoration.key: job.restoration for job in group}.values()
        todo = [job for job in wanted if store.note("restored", job.key) is None]
        if not todo or isinstance(system_of(name), Supplied):
            continue
        units += [RestoreUnit(store.root, tuple(todo[i : i + BATCH])) for i in range(0, len(todo), BATCH)]
    return units


def _speech(plan: Plan, store: Store) -> list[SpeakUnit]:
    todo = [job for job in plan.jobs if job.synthesizer and store.note("spoken", job.key) is None]
    return [SpeakUnit(store.root, tuple(todo[i : i + SENTENCES])) for i in range(0, len(todo), SENTENCES)]


def _scores(plan: Plan, store: Store, scored: Collection[str], isolated: bool) -> Iterator[TrialUnit]:
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


def forget_failures(plan: Plan, store: Store, retry_failed: bool, outcomes: Outcomes) -> int:
    """Drops failed units, so that a run tries them again; without `retry_failed`, only those marked `MAY_PASS`.

    With `retry_failed`, a sound whose hash is wrong counts as failed too. outcomes: of the store's records. Returns the
    number of dropped failed scores.
    """

    def again(why: str) -> bool:
        return MAY_PASS in why or (retry_failed and bool(why))

    for trial in _distinct_trials(plan):
        note = store.note("pairs", trial.key)
        if note and (again(note["why"]) or (retry_failed and not _pair_is_intact(store, trial))):
            store.forget("pairs", trial.key)
    forget_failed_speech(plan, store, again, retry_failed)
    for job in {job.restoration.key: job.restoration for job in plan.jobs}.values():
        if registry.parse_name("systems", job.system)[0] not in registry.targets_by_name("systems"):
            continue  # a Python object that was passed to `evaluate`; only `evaluate` can call it again
        note = store.note("restored", job.key)
        if note and (again(note["why"]) or (retry_failed and not _sound_is_intact(store, "restored", job, note))):
            store.forget("restored", job.key)
    return forget_failed_scores(plan, store, outcomes, again)


def forget_failed_speech(
    plan: Plan, store: Store, again: Callable[[str], bool] = bool, retry_failed: bool = True
) -> None:
    """Drops failed speech if `again(reason)` is true; with `retry_failed`, also speech whose hash is wrong."""
    for job in (job for job in plan.jobs if job.synthesizer):
        note = store.note("spoken", job.key)
        if note and (again(note["why"]) or (retry_failed and not _sound_is_intact(store, "spoken", job, note))):
            store.forget("spoken", job.key)


def _pair_is_intact(store: Store, trial: Trial) -> bool:
    try:
        load_pair(store, trial)
    except AudioError:
        return False
    return True


def _sound_is_intact(store: Store, kind: Kind, job: Job, note: Mapping[str, Any]) -> bool:
    try:
        stored(store.sound(kind, f"{job.key}.wav"), note["sha256"])
    except AudioError:
        return False
    return True


def forget_failed_scores(plan: Plan, store: Store, outcomes: Outcomes, again: Callable[[str], bool] = bool) -> int:
    """Drops the plan's failed scores if `again(reason)` is true, so that a run measures them. Returns their number."""
    failed = {key for key, reasons in outcomes.items() if any(again(why) for why in reasons)}
    if not failed:
        return 0
    planned = {
        score_key(job, card, plan.signatures[name]) for job in plan.jobs for name, card in plan.metric_cards.items()
    }
    for rows in ROWS:
        store.drop_failures(rows, failed & planned)
    return len(failed & planned)
