"""Records -> cells: one number per planned value, with how many clips stand behind it, and a bootstrap interval.

The plan decides how many clips there should be; a cell knows both counts, and a failed clip leaves a hole in it, not a
smaller set. Intervals are BCa bootstraps over utterances (several seeds of one clip move together).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from restorebench.benchmark.contracts import MetricCard, Value
from restorebench.benchmark.plan import Plan
from restorebench.benchmark.scoring import score_key
from restorebench.benchmark.stats import Draws, Sample, score_interval
from restorebench.benchmark.store import Store
from restorebench.benchmark.types import Cell


@dataclass(frozen=True)
class Board:
    """Everything that a report shows of a plan."""

    plan: Plan
    cells: tuple[Cell, ...]
    cards: dict[str, MetricCard]
    failures: dict[tuple[str, str], str]
    """(system, reason) -> where, for values that could not be had."""
    missing: dict[str, int]
    """System -> number of values that could not be had."""

    def values(self) -> list[Value]:
        """The columns, in the order of the plan's metrics."""
        return [value for name in self.plan.metrics for value in self.cards[name].values]


def board(plan: Plan, store: Store) -> Board:
    """The board of a plan, from whatever the store holds of it."""
    rows = planned_records(plan, store)
    cells = []
    draws = Draws(plan.suite.name)
    for name, card in plan.metric_cards.items():
        for value in card.values:
            mine = rows[(rows["metric"] == name) & (rows["value_name"] == value.name)]
            for (condition, system), group in mine.groupby(["condition", "system"], sort=False):
                cells.append(
                    _cell(plan.suite.name, str(condition), str(system), value, plan.signatures[name], group, draws)
                )
    failed = rows[rows["value"].isna() & rows["done"]]
    counts = {str(system): len(group) for system, group in failed.groupby("system")}
    return Board(plan, tuple(cells), plan.metric_cards, _failures(failed), counts)


def planned_records(plan: Plan, store: Store) -> pd.DataFrame:
    """One row per planned value, in the plan's order; values that were not measured (yet) have no `done`."""
    have = pd.concat([store.table(rows).to_pandas() for rows in ("scores", "timings")], ignore_index=True)
    have = have[["key", "value_name", "value", "components", "why"]].assign(done=True)
    planned = []
    for job in plan.jobs:
        for name in plan.metrics_for(job):
            key = score_key(job, plan.metric_cards[name], plan.signatures[name])
            for value in plan.metric_cards[name].values:
                trial = job.trial
                planned.append(
                    (
                        trial.condition,
                        trial.utterance.id,
                        trial.utterance.speaker,
                        job.system,
                        job.draw,
                        name,
                        value.name,
                        key,
                    )
                )
    columns = ["condition", "utterance", "speaker", "system", "seed", "metric", "value_name", "key"]
    rows = pd.DataFrame(planned, columns=columns).merge(have, on=["key", "value_name"], how="left")
    rows["done"] = rows["done"].eq(True)
    rows["why"] = rows["why"].where(rows["done"], "not measured yet").fillna("")
    return rows


def _cell(
    suite: str, condition: str, system: str, value: Value, signature: str, group: pd.DataFrame, draws: Draws
) -> Cell:
    known = group[group["value"].notna()]
    planned, n = len(group), len(known)
    result = low = high = None
    if n:
        over, under = _sums(known, value)
        result = scaled(over.sum() / under.sum(), value)
        if interval := score_interval(Sample(over[None], under[None], np.arange(len(over))), 0, draws):
            low, high = scaled(interval.low, value), scaled(interval.high, value)
    whys = Counter(group[group["value"].isna()]["why"])
    why = f"{planned - n} of {planned} clips have no value: {whys.most_common(1)[0][0]}" if n < planned else ""
    return Cell(suite, condition, system, value.name, signature, result, low, high, n, planned, why)


def _sums(known: pd.DataFrame, value: Value) -> tuple[np.ndarray, np.ndarray]:
    """Per utterance: what is summed above and below the fraction bar."""
    if value.reduction == "rate":
        parts = known["components"].map(json.loads)
        over, under = parts.map(lambda c: c["errors"]), parts.map(lambda c: c["total"])
    else:
        over, under = known["value"], known["value"] * 0 + 1
    sums = pd.DataFrame({"over": over, "under": under}).groupby(known["utterance"]).sum()
    return sums["over"].to_numpy(float), sums["under"].to_numpy(float)


def scaled(ratio: float, value: Value) -> float:
    """A pooled rate in the value's unit; a mean as it is."""
    return float(ratio * 100 if value.reduction == "rate" and value.unit == "%" else ratio)


def _failures(missing: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(system, reason) -> which clips and metrics."""
    found = {}
    for (system, why), group in missing.groupby(["system", "why"], sort=True):
        clips = list(dict.fromkeys(group["condition"] + "/" + group["utterance"]))
        metrics = list(dict.fromkeys(group["metric"]))
        shown = ", ".join(clips[:3]) + (f" and {len(clips) - 3} more" if len(clips) > 3 else "")
        found[(str(system), str(why))] = f"{shown} [{', '.join(metrics)}]"
    return found
