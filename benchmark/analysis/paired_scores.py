"""Records -> paired samples: for each condition and value, the score of every system on every clip."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from restorebench.benchmark.analysis.intervals import FEWEST_APART, Interval, rare_interval
from restorebench.benchmark.analysis.paired_tests import Difference, Sample, pairs, pairwise, score_interval
from restorebench.benchmark.analysis.resampling import Draws
from restorebench.benchmark.analysis.significance import ALPHA, holm
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.plan.plan import Plan

MIN_SPEAKERS = 8
"""Smallest number of speakers for which clips are grouped by speaker; with fewer, each clip is its own cluster."""


RARE = 2
"""Errors are treated as independent if a clip with errors has at most this many errors on average."""


@dataclass(frozen=True)
class Tested:
    """A difference of two systems, with its p corrected for all pairs of systems of the same value."""

    difference: Difference
    p: float
    """Corrected over all pairs of systems of the value (Holm)."""
    pairs: int

    @property
    def separated(self) -> bool:
        return self.p < ALPHA

    @property
    def level(self) -> float:
        """An uncorrected p below this level is significant after Holm's correction, whatever the other pairs' p are."""
        return ALPHA / self.pairs


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of one value in one condition [system, clip]; NaN where a planned score is missing."""

    condition: str
    value: Value
    systems: tuple[str, ...]
    clips: tuple[str, ...]
    sample: Sample
    grouped: str
    """What a cluster is: "speaker" or "clip"."""
    speakers: int = 0
    """Number of speakers; 0 where the speaker of some clip is unknown."""
    seeds: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    """Number of seeds that have a value [system, clip]."""

    @property
    def draws(self) -> Draws:
        """Random draws named by the condition, so that all values of a condition use the same resampled clips."""
        return Draws(self.condition)

    @property
    def tested(self) -> bool:
        """Whether differences are tested; False for values of speed, which are measured once for a batch of clips."""
        return self.value.role != "speed"

    @cached_property
    def differences(self) -> Mapping[tuple[str, str], Tested]:
        """(first, second) -> tested difference, for every pair of systems with common clips; all pairs are one family.

        Reports that show only some of the pairs take their p from here, so a pair has the same p on every page.
        """
        if not self.tested:
            return {}
        tested = pairwise(self.sample, pairs(len(self.systems)), self.draws)
        corrected = holm([difference.p for difference in tested.values()])
        return {
            (self.systems[a], self.systems[b]): Tested(difference, float(p), len(tested))
            for ((a, b), difference), p in zip(tested.items(), corrected, strict=True)
        }

    def difference(self, first: str, second: str) -> Tested | None:
        """The tested difference score(first) - score(second); None for values of speed, or if no clip is common."""
        tested = self.differences.get((first, second))
        if tested or not (tested := self.differences.get((second, first))):
            return tested
        return replace(tested, difference=tested.difference.turned())

    def within(self, clips: NDArray[np.bool_]) -> PairedScores:
        """The scores on some of the clips; `clips` is a mask [clip]."""
        sample = self.sample
        clusters, cluster = np.unique(sample.cluster[clips], return_inverse=True)
        grouped, speakers = self.grouped, len(clusters) if self.grouped == "speaker" else self.speakers
        if grouped == "speaker" and speakers < MIN_SPEAKERS:
            grouped, cluster = "clip", np.arange(len(cluster))
        part = Sample(sample.numerator[:, clips], sample.denominator[:, clips], cluster.astype(np.int64))
        names = tuple(name for name, inside in zip(self.clips, clips, strict=True) if inside)
        return replace(
            self,
            clips=names,
            sample=part,
            grouped=grouped,
            speakers=speakers,
            seeds=self.seeds[:, clips] if self.seeds.size else self.seeds,
        )

    def pooled(self, system: int) -> float | None:
        """The score over all clips that have a value; in the value's own unit."""
        clips = self.sample.common([system])
        numerator, denominator = (
            self.sample.numerator[system, clips].sum(),
            self.sample.denominator[system, clips].sum(),
        )
        return float(numerator / denominator) * self.factor if denominator else None

    def summary(self, system: str) -> tuple[float | None, float | None, float | None]:
        """A system's score, and its 95 % interval where there is one; in the value's own unit."""
        if system not in self.systems:
            return None, None, None
        row = self.systems.index(system)
        interval = self._interval(row) if self.tested else None
        low, high = (self._bounded(interval.low), self._bounded(interval.high)) if interval else (None, None)
        return self.pooled(row), low, high

    def _interval(self, row: int) -> Interval | None:
        errors, total = self.sample.numerator[row], self.sample.denominator[row]
        clips_with_errors = int(np.count_nonzero(np.nan_to_num(errors)))
        most_errors = min(RARE * clips_with_errors, np.nansum(total))
        rare = clips_with_errors < FEWEST_APART and np.nansum(errors) <= most_errors
        if self.value.reduction == "rate" and self.value.role == "intelligibility" and rare and np.nansum(total):
            return rare_interval(float(np.nansum(errors)), float(np.nansum(total)))
        return score_interval(self.sample, row, self.draws)

    def _bounded(self, edge: float) -> float:
        """An interval's edge in the value's unit, clipped to the range of possible scores."""
        low, high = self.value.range
        return min(max(edge * self.factor, low), high)

    def known(self, system: str) -> int:
        """Number of a system's values over all clips and seeds."""
        return int(self.seeds[self.systems.index(system)].sum()) if system in self.systems else 0

    def per_clip(self) -> NDArray[np.float64]:
        """Scores [system, clip] in the value's own unit; NaN where there is none."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.sample.numerator / self.sample.denominator * self.factor)

    def oriented_z_scores(self) -> NDArray[np.float64]:
        """z-scores [system, clip] over all systems and clips, negated where a lower value is better."""
        values = self.per_clip()
        spread = np.nanstd(values) or 1.0
        centred = (values - np.nanmean(values)) / spread
        return np.asarray(centred if self.value.direction == "higher" else -centred)

    @property
    def factor(self) -> float:
        """Factor that converts a ratio to the value's unit: 100 for a pooled rate in percent, else 1."""
        return 100.0 if self.value.reduction == "rate" and self.value.unit == "%" else 1.0


def paired_scores(plan: Plan, rows: pd.DataFrame) -> Iterator[PairedScores]:
    """Paired samples of each condition and value with a measured number, from a plan's records (`planned_records`)."""
    speakers = {(trial.condition, trial.utterance.id): trial.utterance.speaker for trial in plan.trials}
    for condition in dict.fromkeys(trial.condition for trial in plan.trials):
        condition_rows = rows[rows["condition"] == condition]
        for card in plan.metric_cards.values():
            for value in card.values:
                is_value = (condition_rows["metric"] == card.name) & (condition_rows["value_name"] == value.name)
                value_rows = condition_rows[is_value]
                if value_rows["value"].notna().any():
                    yield paired(condition, value, value_rows, speakers, plan.systems)


def paired(
    condition: str, value: Value, rows: pd.DataFrame, speakers: dict[tuple[str, str], str], order: tuple[str, ...]
) -> PairedScores:
    """The paired samples of one value's records; a clip may have any number of seeds."""
    clips = tuple(dict.fromkeys(rows["utterance"]))
    systems = tuple(system for system in order if (rows["system"] == system).any())
    measured = rows[rows["value"].notna()]
    if value.reduction == "rate":
        parts = measured["components"].map(json.loads)
        parts = parts[parts.map(lambda c: c["total"] > 0)]  # a rate with a total of 0 is undefined
        measured = measured.loc[parts.index]
        numerator, denominator = parts.map(lambda c: float(c["errors"])), parts.map(lambda c: float(c["total"]))
    else:
        numerator, denominator = measured["value"], measured["value"] * 0 + 1
    sums = (
        pd.DataFrame({"numerator": numerator, "denominator": denominator})
        .groupby([measured["system"], measured["utterance"]])
        .mean()
    )
    table = {name: sums[name].unstack().reindex(index=systems, columns=clips).to_numpy(float) for name in sums}
    clip_speakers = [speakers[condition, clip] for clip in clips]
    grouped = "speaker" if all(clip_speakers) and len(set(clip_speakers)) >= MIN_SPEAKERS else "clip"
    labels = clip_speakers if grouped == "speaker" else list(clips)
    _, cluster = np.unique(labels, return_inverse=True)
    sample = Sample(table["numerator"], table["denominator"], cluster.astype(np.int64))
    seeds = measured.groupby(["system", "utterance"]).size().unstack().reindex(index=systems, columns=clips)
    count = len(set(clip_speakers)) if all(clip_speakers) else 0
    return PairedScores(condition, value, systems, clips, sample, grouped, count, seeds.fillna(0).to_numpy(np.int64))
