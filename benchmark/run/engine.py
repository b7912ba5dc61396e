"""Executes a plan on a local pool: pairs, then restorations system by system, then scores trial by trial.

Each unit is written whole by the worker that made it, so a run that is killed loses at most the units that were open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from restorebench.benchmark.components import component_of
from restorebench.benchmark.contracts import Supplied
from restorebench.benchmark.core.pool import Workers
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.isolation.environments import build, used_by
from restorebench.benchmark.plan.keys import score_key
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.run.degrade import PairUnit, _pair_died, make_pair_unit
from restorebench.benchmark.run.memory import measurable, measure
from restorebench.benchmark.run.restore import BATCH, RestoreUnit, _restore_died, one_by_one, restore_unit
from restorebench.benchmark.run.score import TrialUnit, _score_died, metric_by_metric, score_trial_unit
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Trial

Unit = TypeVar("Unit")


def run(plan: Plan, store: Store, workers: int, progress: Progress = silent, retry_failed: bool = False) -> None:
    """Finishes a plan in a store: whatever is there already is not done again.

    Failed units count as done unless `retry_failed`.
    """
    store.put_plan(plan)
    if retry_failed:
        _forget_failed_sounds(plan, store)
        forget_failed_scores(plan, store)
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
            progress("memory", len(timed), measure(store, timed, workers))
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
        if bool(plan.system_cards[name].environment) != isolated:
            continue
        todo = [job for job in group if store.note("restored", job.key) is None]
        if not todo or isinstance(component_of(name), Supplied):
            continue
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


def _forget_failed_sounds(plan: Plan, store: Store) -> None:
    for trial in _distinct_trials(plan):
        if (store.note("pairs", trial.key) or {}).get("why"):
            store.forget("pairs", trial.key)
    for job in plan.jobs:
        if (store.note("restored", job.key) or {}).get("why"):
            store.forget("restored", job.key)


def forget_failed_scores(plan: Plan, store: Store) -> None:
    """Drops the plan's failed scores, so that a run measures them again."""
    planned = {
        score_key(job, card, plan.signatures[name]) for job in plan.jobs for name, card in plan.metric_cards.items()
    }
    store.drop_failures("scores", planned)
    store.drop_failures("timings", planned)
