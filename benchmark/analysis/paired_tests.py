"""Paired tests of scores: systems are compared on the clips they have in common; clips of a speaker are one cluster.

A score of a table is a ratio of sums over clips: errors over words for a pooled rate, values over counts for a mean.
Arrays are [system, cluster]; clusters are resampled or flipped as a whole. The tests are computed as matrix products of
random draws and clusters, and all systems and metrics share the same draws.

The p of a difference is the larger p of two tests: sign flips, exact for symmetric differences, and the bootstrap t,
which holds for skewed differences too. Where two systems do not differ, sign flips alone report a better system in 16
to 31 % of cases with strongly skewed differences of 12 clips.

Efron & Tibshirani 1993 (bootstrap t); Holm 1979; Phipson & Smyth 2010 (permutation p); Piepho 2004 (tie letters);
Mogstad et al. 2024 (ranks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # scipy.stats takes a second to import

from restorebench.benchmark.analysis.intervals import Interval, clusters_apart, interval, standard_error
from restorebench.benchmark.analysis.resampling import Array, Draws, bootstrap_t
from restorebench.benchmark.analysis.significance import ALPHA, bootstrap_p, one_sided, sign_flip_p, smallest_p

POWER = 0.8
REL_TOL = 1e-12
"""Relative tolerance: smaller differences of two scores are summation error."""


@dataclass(frozen=True)
class Difference:
    """The difference score(A) - score(B) on common clips, with its interval, p and standard error."""

    value: float
    interval: Interval | None
    p: float
    """Before any correction."""
    clips: int
    clusters: int
    error: float
    """Standard error over clusters."""

    def detectable(self, level: float = ALPHA) -> float | None:
        """The smallest true difference that is significant with 80 % power for this number of clusters.

        Args:
            level: A difference is significant if its p is below this: 0.05, or 0.05 / number of pairs (Holm).

        Returns:
            The difference, in the score's unit; None where so few clusters cannot give a p below `level`.
        """
        if self.clusters < 2 or smallest_p(self.clusters) >= level:
            return None
        freedom = self.clusters - 1
        return float((stdtrit(freedom, 1 - level / 2) + stdtrit(freedom, POWER)) * self.error)

    def clusters_needed(self, level: float = ALPHA) -> int | None:
        """Number of clusters for which a true difference of this size is significant with 80 % power.

        None where the difference is 0, or too few clusters were scored for an estimate.
        """
        detectable = self.detectable(level)
        if not self.value or detectable is None or not np.isfinite(detectable):
            return None
        return int(np.ceil(self.clusters * (detectable / self.value) ** 2))

    def turned(self) -> Difference:
        """The difference with A and B exchanged: score(B) - score(A)."""
        low_high = self.interval and Interval(-self.interval.high, -self.interval.low)
        return replace(self, value=0.0 - self.value, interval=low_high)

    @property
    def effect(self) -> float | None:
        """The difference, in standard deviations of the clusters' differences; None if these are 0 or unknown."""
        spread = self.error * sqrt(self.clusters)
        return self.value / spread if 0 < spread < float("inf") else None


@dataclass(frozen=True, eq=False)
class Sample:
    """Scores of several systems on the clips of one condition, as numerators and denominators [system, clip].

    NaN where a system has no value for a clip; a clip's seeds are averaged. `cluster` [clip] has cluster numbers.
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
    """The interval of one system's score, over the clips with values; None if `interval` gives none."""
    clips = sample.common([system])
    if not sample.denominator[system, clips].any():
        return None
    numerator, denominator = sample.sums([system], clips)
    influence = influences(numerator, denominator)
    counted = denominator[0] > 0
    return interval(
        bootstrap_t(draws.counts(influence.shape[1]), influence)[:, 0],
        float(numerator.sum() / denominator.sum()),
        float(standard_error(influence)[0]),
        clusters_apart(numerator[0, counted] / denominator[0, counted]),
        influence.shape[1],
    )


def influences(numerator: Array, denominator: Array) -> Array:
    """Influence of each cluster on the scores [system, cluster]: mean 0; `standard_error` gives the scores' errors."""
    scores = numerator.sum(1, keepdims=True) / denominator.sum(1, keepdims=True)
    return np.asarray((numerator - scores * denominator) / denominator.mean(1, keepdims=True))


def pairwise(sample: Sample, wanted: Sequence[tuple[int, int]], draws: Draws) -> dict[tuple[int, int], Difference]:
    """The difference of each wanted pair of systems on its common clips; pairs without common clips are left out.

    Pairs with the same common clips are computed together.
    """
    together: dict[bytes, list[tuple[int, int]]] = {}
    for pair in wanted:
        together.setdefault(sample.common(pair).tobytes(), []).append(pair)
    tested = {}
    for mask, group in together.items():
        clips = np.frombuffer(mask, dtype=np.bool_)
        if sample.denominator[:, clips].any():
            tested.update(_compared(sample, group, clips, draws))
    return {pair: tested[pair] for pair in wanted if pair in tested}


def one_sided_p(sample: Sample, draws: Draws) -> float:
    """One-sided p of "system 0 scores above system 1": probability of this or a larger difference under equality."""
    numerator, denominator = sample.sums([0, 1], sample.common([0, 1]))
    differences = (numerator[0] - numerator[1])[None] / denominator.mean(0).sum()
    return one_sided(float(sign_flip_p(draws.signs(numerator.shape[1]), differences)[0]), bool(differences.sum() > 0))


def _compared(
    sample: Sample, group: Sequence[tuple[int, int]], clips: NDArray[np.bool_], draws: Draws
) -> dict[tuple[int, int], Difference]:
    systems = sorted({system for pair in group for system in pair})
    index_of = {system: index for index, system in enumerate(systems)}
    numerator, denominator = sample.sums(systems, clips)
    clusters = numerator.shape[1]
    scores = numerator.sum(1) / denominator.sum(1)
    firsts, seconds = (np.array([index_of[pair[side]] for pair in group]) for side in (0, 1))
    system_influence = influences(numerator, denominator)
    influence = system_influence[firsts] - system_influence[seconds]
    mean_total = (denominator[firsts] + denominator[seconds]).sum(1, keepdims=True) / 2
    differences = (numerator[firsts] - numerator[seconds]) / mean_total
    values, errors = _without_rounding(scores[firsts] - scores[seconds], standard_error(influence), scores)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.nan_to_num(values / errors, nan=0.0, posinf=np.inf, neginf=-np.inf)
    studentised = bootstrap_t(draws.counts(clusters), influence)
    p = np.maximum(sign_flip_p(draws.signs(clusters), differences), bootstrap_p(studentised, observed, differences))
    return {
        pair: Difference(
            value=float(values[index]),
            interval=interval(
                studentised[:, index], float(values[index]), float(errors[index]), clusters_apart(differences[index]),
                clusters,
            ),
            p=float(p[index]),
            clips=int(clips.sum()),
            clusters=clusters,
            error=float(errors[index]),
        )
        for index, pair in enumerate(group)
    }  # fmt: skip


def _without_rounding(values: Array, errors: Array, scores: Array) -> tuple[Array, Array]:
    """Differences and their errors, zero where they are summation error of the scores."""
    least = REL_TOL * float(np.abs(scores).max())
    return np.where(np.abs(values) <= least, 0.0, values), np.where(errors <= least, 0.0, errors)


def pairs(count: int) -> list[tuple[int, int]]:
    """All pairs of `count` systems."""
    return list(combinations(range(count), 2))
