"""Reduces records to table cells: a score for each condition, system and value, with counts and a confidence interval.

A cell has the number of planned and of measured values, so a failed clip shows as a difference between the two. The
intervals come from the paired samples (paired_scores.py), so that every page shows the same intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from restorebench.benchmark.analysis.paired_scores import PairedScores, paired_scores
from restorebench.benchmark.contracts import MetricCard, Value
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.run.alignment import DELAYED_MS
from restorebench.benchmark.store.records import planned_records
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Cell

FEWEST_PAUSES = 5
"""Smallest number of clips with a pause for which a share of filled pauses is shown."""


@dataclass(frozen=True)
class Board:
    """The contents of a report on a plan."""

    plan: Plan
    cells: tuple[Cell, ...]
    cards: dict[str, MetricCard]
    failures: dict[tuple[str, str], str]
    """(system, reason) -> the clips and metrics of the values that failed for this reason."""
    missing: dict[str, int]
    """System -> number of values that were tried and failed."""
    scores: tuple[PairedScores, ...] = ()
    """The paired samples from which the cells are computed."""
    loops: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(value, system) -> number of clips on which a recogniser repeated itself."""
    delays: Mapping[str, float] = field(default_factory=dict)
    """System -> its median delay against the reference in ms; only delays of `DELAYED_MS` or more in size."""

    def values(self) -> list[Value]:
        """The columns, in the order of the plan's metrics."""
        return [value for name in self.plan.metrics for value in self.cards[name].values]


def board(plan: Plan, store: Store) -> Board:
    """The board of a plan, from whatever the store holds of it."""
    return board_of(plan, planned_records(plan, store))


def board_of(plan: Plan, rows: pd.DataFrame) -> Board:
    """The board of a plan's records (`planned_records`)."""
    by_value = {(paired.condition, paired.value.name): paired for paired in paired_scores(plan, rows)}
    cells = []
    for name, card in plan.metric_cards.items():
        for value in card.values:
            value_rows = rows[(rows["metric"] == name) & (rows["value_name"] == value.name)]
            for (condition, system), group in value_rows.groupby(["condition", "system"], sort=False):
                paired = by_value.get((str(condition), value.name))
                result, low, high = paired.summary(str(system)) if paired else (None,) * 3
                planned, n = len(group), paired.known(str(system)) if paired else 0
                reasons = Counter(group[group["value"].isna()]["why"]) or Counter(["nothing to count"])
                shortfall = f"{planned - n} of {planned} clips have no value: {reasons.most_common(1)[0][0]}"
                why = shortfall if n < planned else ""
                if value.role == "pauses" and 0 < n < FEWEST_PAUSES:
                    result, low, high = None, None, None
                    why = f"{n} clips have a pause; a share of filled pauses needs {FEWEST_PAUSES}"
                cells.append(
                    Cell(
                        plan.suite.name, str(condition), str(system), value.name, plan.signatures[name],
                        result, low, high, n, planned, why,
                    )
                )  # fmt: skip
    failed = rows[rows["value"].isna() & rows["done"]]
    counts = {str(system): len(group) for system, group in failed.groupby("system")}
    return Board(
        plan, tuple(cells), plan.metric_cards, _failures(failed, len(plan.systems)), counts, tuple(by_value.values()),
        _loops(rows), _delays(rows, plan.metric_cards),
    )  # fmt: skip


def _loops(rows: pd.DataFrame) -> dict[tuple[str, str], int]:
    """(value, system) -> number of clips whose component `looped` is 1."""
    looped = rows[rows["components"].fillna("").str.contains(r'"looped": ?1', regex=True)]
    clips = ["condition", "utterance"]
    return {
        (str(v), str(s)): len(group.drop_duplicates(clips))
        for (v, s), group in looped.groupby(["value_name", "system"], sort=False)
    }


def _delays(rows: pd.DataFrame, cards: Mapping[str, MetricCard]) -> dict[str, float]:
    """System -> median of `delay_ms` over the scores of waveform metrics, if it is `DELAYED_MS` or more in size.

    A score without the component `delay_ms` counts as a delay of 0.
    """
    waveform = {value.name for card in cards.values() for value in card.values if value.role == "fidelity"}
    measured = rows[rows["value_name"].isin(waveform) & rows["value"].notna()]
    parts = measured["components"].fillna("").str.extract(r'"delay_ms": ?(-?[0-9.]+)')[0].astype(float).fillna(0.0)
    medians = parts.groupby(measured["system"], sort=False).median()
    return {str(system): float(ms) for system, ms in medians.items() if abs(ms) >= DELAYED_MS}


EVERY = "every system"


def _failures(failed: pd.DataFrame, systems: int) -> dict[tuple[str, str], str]:
    """(system, reason) -> the failed clips and metrics; failures that all systems share are merged into one entry."""
    clips_and_metrics: dict[tuple[str, str], str] = {}
    for why, same_reason in failed.groupby("why", sort=True):
        where_by_system = {str(system): _where(group) for system, group in same_reason.groupby("system", sort=True)}
        if len(where_by_system) == systems > 1 and len(set(where_by_system.values())) == 1:
            where_by_system = {EVERY: next(iter(where_by_system.values()))}
        clips_and_metrics |= {(system, str(why)): where for system, where in where_by_system.items()}
    return dict(sorted(clips_and_metrics.items()))


def _where(group: pd.DataFrame) -> str:
    clips = list(dict.fromkeys(group["condition"] + "/" + group["utterance"]))
    metrics = list(dict.fromkeys(group["metric"]))
    shown = ", ".join(clips[:3]) + (f" and {len(clips) - 3} more" if len(clips) > 3 else "")
    return f"{shown} [{', '.join(metrics)}]"
