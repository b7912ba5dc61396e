"""Forecast of a run: counts per stage, results that the store holds already, and an estimate of the processor time."""

from __future__ import annotations

from restorebench.benchmark.components import synthesizer_card
from restorebench.benchmark.plan.keys import score_key
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.run.pairs import seconds_of
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Table


def forecast(plan: Plan, store: Store | None) -> Table:
    """One row per system, synthesizer and metric: planned, cached, to do, estimated seconds on one core."""
    seconds = {trial.id: seconds_of(trial) or 0.0 for trial in plan.trials}
    scored = store.outcomes() if store else {}
    rows = []
    total = 0.0
    for system in plan.systems:
        card = plan.system_cards[system]
        jobs = [job for job in plan.jobs if job.system == system]
        if card.kind != "system":
            rows.append((system, "restore", str(len(jobs)), "supplied", "0", "0"))
            continue
        todo = [job for job in jobs if store is None or store.note("restored", job.restoration.key) is None]
        cost = card.cost * sum(seconds[job.trial.id] for job in todo)
        total += cost
        rows.append((system, "restore", str(len(jobs)), str(len(jobs) - len(todo)), str(len(todo)), f"{cost:.0f}"))
    if plan.suite.synthesizer:
        todo = [job for job in plan.jobs if store is None or store.note("spoken", job.key) is None]
        counts = (str(len(plan.jobs)), str(len(plan.jobs) - len(todo)), str(len(todo)))
        cost = synthesizer_card(plan.suite.synthesizer).cost * sum(seconds[job.trial.id] for job in todo)
        total += cost
        rows.append((plan.suite.synthesizer, "speak", *counts, f"{cost:.0f}"))
    for metric, metric_card in plan.metric_cards.items():
        jobs = [job for job in plan.jobs if metric in plan.metrics_for(job)]
        todo = [job for job in jobs if score_key(job, metric_card, plan.signatures[metric]) not in scored]
        cost = metric_card.cost * sum(seconds[job.trial.id] for job in todo)
        total += cost
        rows.append((metric, "score", str(len(jobs)), str(len(jobs) - len(todo)), str(len(todo)), f"{cost:.0f}"))
    return Table(
        f"{plan.suite.name}: {len(plan.trials)} clips, {sum(seconds.values()):.0f} s of audio",
        ("name", "stage", "planned", "cached", "to do", "core-seconds (about)"),
        tuple(rows),
        (f"about {total / 60:.1f} core-minutes; divide by the number of cores",),
    )
