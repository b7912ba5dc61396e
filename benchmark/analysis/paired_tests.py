"""Paired tests of scores: systems are compared on the clips they have in common; clips of a speaker are one cluster.

A score of a table is a ratio of sums over clips: errors over words for a pooled rate, values over counts for a mean.
Arrays are [system, cluster]; what is resampled, flipped or left out is always a whole cluster. Everything is a matrix
product of draws with clusters, so that all systems and metrics share the same draws.

Efron 1987 (BCa); Hesterberg 2015 (small samples); Holm 1979; Phipson & Smyth 2010 (permutation p); Piepho 2004 (tie
letters); Mogstad et al. 2024 (ranks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # scipy.stats takes a second to import

from restorebench.benchmark.analysis.intervals import CONFIDENCE, Interval, interval, jackknife_error
from restorebench.benchmark.analysis.resampling import Array, Draws, jackknife, ratios
from restorebench.benchmark.analysis.significance import one_sided, permutation

POWER = 0.8
REL_TOL = 1e-12
"""Relative tolerance: smaller differences of two scores are summation error."""


@dataclass(frozen=True)
class Difference:
    """What is known of score(A) - score(B) on common clips."""

    value: float
    interval: Interval | None
    p: float
    clips: int
    clusters: int
    error: float
    """Standard error (jackknife over clusters)."""

    @property
    def detectable(self) -> float:
        """The smallest true difference that this many clusters show with 80 % power at the 5 % level."""
        if self.clusters < 2:
            return float("inf")
        freedom = self.clusters - 1
        return float((stdtrit(freedom, (1 + CONFIDENCE) / 2) + stdtrit(freedom, POWER)) * self.error)

    @property
    def clusters_needed(self) -> int | None:
        """Clusters that show a true difference of this size with 80 % power; None where the difference is zero."""
        if not self.value or not np.isfinite(self.detectable):
            return None
        return int(np.ceil(self.clusters * (self.detectable / self.value) ** 2))

    @property
    def effect(self) -> float | None:
        """The difference over the standard deviation of the clusters' differences; None where that is 0 or unknown."""
        spread = self.error * sqrt(self.clusters)
        return self.value / spread if 0 < spread < float("inf") else None


@dataclass(frozen=True, eq=False)
class Sample:
    """Scores of several systems on the clips of one condition: above and below the fraction bar [system, clip].

    NaN where a system has no value for a clip; a clip's seeds are averaged. `cluster` [clip] numbers its cluster.
    """

    numerator: Array
    denominator: Array
    cluster: NDArray[np.int64]

    def common(self, systems: Sequence[int]) -> NDArray[np.bool_]:
        """Clips [clip] on which all of the systems have a value."""
        return np.asarray(np.isfinite(self.numerator[list(systems)]).all(axis=0))

    def sums(self, systems: Sequence[int], clips: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Sums [system, cluster] over the given clips; clusters without such clips are left out."""
        chosen = np.flatnonzero(clips)
        chosen = chosen[np.argsort(self.cluster[chosen], kind="stable")]
        starts = np.flatnonzero(np.diff(self.cluster[chosen], prepend=-1))
        numerator, denominator = (
            part[np.array(systems)[:, None], chosen] for part in (self.numerator, self.denominator)
        )
        return np.add.reduceat(numerator, starts, axis=1), np.add.reduceat(denominator, starts, axis=1)


def score_interval(sample: Sample, system: int, draws: Draws) -> Interval | None:
    """The interval of one system's score, over the clips that it has values for."""
    clips = sample.common([system])
    if not sample.denominator[system, clips].any():
        return None
    numerator, denominator = sample.sums([system], clips)
    estimate = float(numerator.sum() / denominator.sum())
    drawn = ratios(draws.counts(numerator.shape[1]), numerator, denominator)[:, 0]
    return interval(drawn, jackknife(numerator, denominator)[:, 0], estimate, abs(estimate))


def pairwise(sample: Sample, wanted: Sequence[tuple[int, int]], draws: Draws) -> dict[tuple[int, int], Difference]:
    """Every wanted pair of systems on its common clips; pairs without common clips are left out.

    Pairs with the same common clips are computed together.
    """
    together: dict[bytes, list[tuple[int, int]]] = {}
    for pair in wanted:
        together.setdefault(sample.common(pair).tobytes(), []).append(pair)
    found = {}
    for mask, group in together.items():
        clips = np.frombuffer(mask, dtype=np.bool_)
        if sample.denominator[:, clips].any():
            found.update(_compared(sample, group, clips, draws))
    return {pair: found[pair] for pair in wanted if pair in found}


def one_sided_p(sample: Sample, draws: Draws) -> float:
    """One-sided p of "system 0 scores above system 1": the chance of this difference or more if they are equal."""
    numerator, denominator = sample.sums([0, 1], sample.common([0, 1]))
    differences = (numerator[0] - numerator[1])[None] / denominator.mean(0).sum()
    return one_sided(float(permutation(draws.signs(numerator.shape[1]), differences)[0]), bool(differences.sum() > 0))


def _compared(
    sample: Sample, group: Sequence[tuple[int, int]], clips: NDArray[np.bool_], draws: Draws
) -> dict[tuple[int, int], Difference]:
    systems = sorted({system for pair in group for system in pair})
    place = {system: index for index, system in enumerate(systems)}
    numerator, denominator = sample.sums(systems, clips)
    clusters = numerator.shape[1]
    scores = numerator.sum(1) / denominator.sum(1)
    drawn = ratios(draws.counts(clusters), numerator, denominator)
    alone = jackknife(numerator, denominator)
    firsts, seconds = (np.array([place[pair[side]] for pair in group]) for side in (0, 1))
    below = (denominator[firsts] + denominator[seconds]).sum(1, keepdims=True) / 2
    p = permutation(draws.signs(clusters), (numerator[firsts] - numerator[seconds]) / below)
    found = {}
    for index, (pair, a, b) in enumerate(zip(group, firsts, seconds, strict=True)):
        scale = float(np.abs(scores[[a, b]]).max())
        value, gap = float(scores[a] - scores[b]), alone[:, a] - alone[:, b]
        value = 0.0 if abs(value) <= REL_TOL * scale else value
        error = jackknife_error(gap) if clusters > 1 and np.isfinite(gap).all() else float("inf")
        found[pair] = Difference(
            value=value,
            interval=interval(drawn[:, a] - drawn[:, b], gap, value, scale),
            p=float(p[index]),
            clips=int(clips.sum()),
            clusters=clusters,
            error=0.0 if error <= REL_TOL * scale else error,
        )
    return found


def pairs(count: int) -> list[tuple[int, int]]:
    """All pairs of `count` systems."""
    return list(combinations(range(count), 2))
