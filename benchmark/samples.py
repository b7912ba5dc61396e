"""Records -> paired samples: per condition and value, what every system scored on every clip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from restorebench.benchmark.contracts import Value
from restorebench.benchmark.plan import Plan
from restorebench.benchmark.stats import Draws, Sample

FEW = 8
"""Speakers from which on clips are grouped by speaker; fewer say too little about other speakers."""


@dataclass(frozen=True, eq=False)
class Scores:
    """One value of one condition: what was planned, system by clip."""

    condition: str
    value: Value
    systems: tuple[str, ...]
    clips: tuple[str, ...]
    sample: Sample
    grouped: str
    """What a cluster is: "speaker" or "clip"."""

    def draws(self) -> Draws:
        """One stream per condition, so that all values of it see the same resampled clips."""
        return Draws(self.condition)

    def pooled(self, system: int) -> float | None:
        """The score over all clips that have a value; in the value's own unit."""
        clips = self.sample.common([system])
        if not clips.any():
            return None
        over, under = self.sample.over[system, clips].sum(), self.sample.under[system, clips].sum()
        return float(over / under) * self.factor

    @property
    def factor(self) -> float:
        """From a ratio to the value's unit: 100 for a pooled rate in percent."""
        return 100.0 if self.value.reduction == "rate" and self.value.unit == "%" else 1.0


def scores(plan: Plan, rows: pd.DataFrame) -> Iterator[Scores]:
    """Every (condition, value) with at least one measured number, from the plan's records (`planned_records`)."""
    speakers = {(trial.condition, trial.utterance.id): trial.utterance.speaker for trial in plan.trials}
    for condition in dict.fromkeys(trial.condition for trial in plan.trials):
        here = rows[rows["condition"] == condition]
        for card in plan.metric_cards.values():
            for value in card.values:
                mine = here[(here["metric"] == card.name) & (here["value_name"] == value.name)]
                if mine["value"].notna().any():
                    yield _scores(condition, value, mine, speakers, plan.systems)


def _scores(
    condition: str, value: Value, rows: pd.DataFrame, speakers: dict[tuple[str, str], str], order: tuple[str, ...]
) -> Scores:
    clips = tuple(dict.fromkeys(rows["utterance"]))
    systems = tuple(system for system in order if (rows["system"] == system).any())
    known = rows[rows["value"].notna()]
    if value.reduction == "rate":
        parts = known["components"].map(json.loads)
        over, under = parts.map(lambda c: float(c["errors"])), parts.map(lambda c: float(c["total"]))
    else:
        over, under = known["value"], known["value"] * 0 + 1
    sums = pd.DataFrame({"over": over, "under": under}).groupby([known["system"], known["utterance"]]).mean()
    table = {name: sums[name].unstack().reindex(index=systems, columns=clips).to_numpy(float) for name in sums}
    voices = [speakers[condition, clip] for clip in clips]
    grouped = "speaker" if all(voices) and len(set(voices)) >= FEW else "clip"
    labels = voices if grouped == "speaker" else list(clips)
    _, cluster = np.unique(labels, return_inverse=True)
    sample = Sample(table["over"], table["under"], cluster.astype(np.int64))
    return Scores(condition, value, systems, clips, sample, grouped)
