"""Statistics of paired scores: every clip was heard by every system, and clips of one speaker or source go together.

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
from scipy.special import ndtr, ndtri, stdtrit  # scipy.stats takes a second to import

from restorebench.benchmark.seeds import generator

Array = NDArray[np.float64]
Counts = NDArray[np.uint8] | NDArray[np.int8]
"""Small whole numbers [draw, cluster]."""
PIECE = 500
"""Draws multiplied at once."""
DRAWS = 10_000
CONFIDENCE = 0.95
SURE = 0.05
"""A p below which chance does not explain a difference."""
POWER = 0.8
EXACT = 13
"""Clusters up to which every sign pattern is tried."""
BOOTSTRAPPED = 8
"""Clusters from which on intervals are bootstrapped."""
EQUAL = 1e-12
"""Relative differences of two scores that the order of a sum explains."""
ROUNDING = 1e-6
"""Of sums in float32, relative."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def resampling(rng: np.random.Generator, clusters: int, draws: int = DRAWS) -> Counts:
    """How often each cluster is drawn: [draw, cluster], rows sum to the number of clusters."""
    counts = np.empty((draws, clusters), dtype=np.uint8)  # of n picks none repeats 256 times
    for start in range(0, draws, PIECE):
        rows = counts[start : start + PIECE]
        flat = rng.integers(clusters, size=rows.shape) + clusters * np.arange(len(rows))[:, None]
        rows[:] = np.bincount(flat.ravel(), minlength=rows.size).reshape(rows.shape)
    return counts


def signs(rng: np.random.Generator, clusters: int, draws: int = DRAWS) -> Counts:
    """Sign patterns [draw, cluster]; all of them, once each, for few clusters."""
    if clusters <= EXACT:
        patterns = np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1
        return (1 - 2 * patterns).astype(np.int8)
    return 1 - 2 * rng.integers(2, size=(draws, clusters), dtype=np.int8)


def products(draws: Counts, columns: Array) -> NDArray[np.float32]:
    """[draw, cluster] times [cluster, column], piece by piece: memory does not grow with the number of clips."""
    wide = columns.astype(np.float32)
    pieces = range(0, len(draws), PIECE)
    return np.concatenate([draws[start : start + PIECE].astype(np.float32) @ wide for start in pieces])


def ratios(counts: Counts, over: Array, under: Array) -> Array:
    """Scores [draw, system] of resampled clusters; NaN where nothing was drawn that counts."""
    above, below = (products(counts, part.T) for part in (over, under))
    with np.errstate(divide="ignore", invalid="ignore"):
        return above.astype(np.float64) / below.astype(np.float64)


def left_out(over: Array, under: Array) -> Array:
    """Scores [cluster, system] with one cluster left out each time (jackknife)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((over.sum(1, keepdims=True) - over) / (under.sum(1, keepdims=True) - under)).T


def interval(drawn: Array, jackknife: Array, estimate: float, scale: float) -> Interval | None:
    """The 95 % interval of one score; None when it cannot be told (one cluster, or nothing left without one).

    drawn [draw], jackknife [cluster]; scale: the size of the scores that it was computed from. BCa bootstrap, its tails
    widened as Student's t is over the normal (Hesterberg 2015). Resampling a handful of clusters cannot leave their
    range, and covers far less than it says: below `BOOTSTRAPPED` clusters Student's t of the jackknife takes its place.
    """
    clusters = len(jackknife)
    if clusters < 2 or not np.isfinite(jackknife).all():
        return None
    quantile = float(stdtrit(clusters - 1, (1 + CONFIDENCE) / 2))
    if clusters < BOOTSTRAPPED:
        half = quantile * jackknife_error(jackknife)
        return Interval(estimate - half, estimate + half)
    return bca(drawn[np.isfinite(drawn)], jackknife, estimate, scale, sqrt(clusters / (clusters - 1)) * quantile)


def method(clusters: int) -> str:
    """How an interval over so many clusters is made, in words."""
    return "BCa bootstrap" if clusters >= BOOTSTRAPPED else "Student's t of the jackknife"


def bca(drawn: Array, jackknife: Array, estimate: float, scale: float, tail: float) -> Interval | None:
    """Bias-corrected, accelerated bootstrap interval, out to `tail` standard errors on each side."""
    spread = jackknife.mean() - jackknife
    squares = float((spread**2).sum())
    if squares == 0:
        return Interval(estimate, estimate)
    equal = np.abs(drawn - estimate) <= ROUNDING * scale
    below = float(np.mean((drawn < estimate) & ~equal) + 0.5 * np.mean(equal))
    bias = float(ndtri(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn))))
    acceleration = float((spread**3).sum() / (6 * squares**1.5))
    edges = [bias + z for z in (-tail, tail)]
    shares = [float(ndtr(bias + edge / (1 - acceleration * edge))) for edge in edges]
    low, high = np.quantile(drawn, np.clip(shares, 0, 1))
    return Interval(float(low), float(high))


def permutation(flips: Counts, differences: Array) -> Array:
    """Two-sided p [comparison] that flipping the sign of clusters' differences [comparison, cluster] gives as much.

    With all patterns the p is exact; with drawn ones the observed pattern counts as one of them.
    """
    observed = np.abs(differences.sum(1))
    flipped = np.abs(products(flips, differences.T))
    reached = (flipped >= observed * (1 - 1e-5) - 1e-12).sum(0)
    exact = len(flips) == 2 ** differences.shape[1]
    return np.asarray(reached / len(flips) if exact else (reached + 1) / (len(flips) + 1), dtype=np.float64)


def one_sided(p: float, towards: bool) -> float:
    """The p of "greater" from a two-sided one: sign flips are symmetric. `towards`: the difference points there."""
    return p / 2 if towards else 1 - p / 2


def holm(p: Sequence[float] | Array) -> Array:
    """Holm's adjusted p: below 0.05 for any of them errs in at most 5 % of the tables."""
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def ranks(above: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Best and worst rank of each system, 1 the best, from which is surely above which [system, system].

    With tests that keep the family error, all ranks hold at once (Mogstad, Romano, Shaikh & Wilhelm 2024).
    """
    better, worse = above.sum(axis=0), above.sum(axis=1)
    return [(1 + int(b), len(above) - int(w)) for b, w in zip(better, worse, strict=True)]


def letters(count: int, separated: set[tuple[int, int]]) -> list[str]:
    """Tie groups as letters: two systems share one exactly when they are not `separated` (pairs i < j)."""
    groups: list[set[int]] = [set(range(count))]
    for first, second in sorted(separated):
        split = [group for group in groups if {first, second} <= group]
        groups = [group for group in groups if group not in split]
        groups += [group - {one} for group in split for one in (first, second)]
        groups = [group for place, group in enumerate(groups) if not _absorbed(place, group, groups)]
    groups.sort(key=lambda group: sorted(group))
    return ["".join(_letter(place) for place, group in enumerate(groups) if one in group) for one in range(count)]


def _absorbed(place: int, group: set[int], groups: list[set[int]]) -> bool:
    return any(group < other or (group == other and place > at) for at, other in enumerate(groups))


def _letter(place: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[place % 26] * (place // 26 + 1)


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
        """The smallest true difference that a set like this finds with 80 % power at 5 %."""
        if self.clusters < 2:
            return float("inf")
        freedom = self.clusters - 1
        return float((stdtrit(freedom, (1 + CONFIDENCE) / 2) + stdtrit(freedom, POWER)) * self.error)

    @property
    def clusters_needed(self) -> int | None:
        """Clusters with which a true difference of this size is found with 80 % power; None when it is nothing."""
        if not self.value or not np.isfinite(self.detectable):
            return None
        return int(np.ceil(self.clusters * (self.detectable / self.value) ** 2))

    @property
    def effect(self) -> float | None:
        """The difference in standard deviations of a cluster's difference; None when that is nothing or not known."""
        spread = self.error * sqrt(self.clusters)
        return self.value / spread if 0 < spread < float("inf") else None


def jackknife_error(jackknife: Array) -> float:
    """Standard error from scores with one cluster left out each."""
    count = len(jackknife)
    return float(sqrt((count - 1) / count * ((jackknife - jackknife.mean()) ** 2).sum()))


class Draws:
    """The random draws of a table, made once for each number of clusters. `identity` names their stream."""

    def __init__(self, *identity: str, draws: int = DRAWS) -> None:
        self.identity, self.draws = identity, draws
        self._counts: dict[int, Counts] = {}
        self._signs: dict[int, Counts] = {}

    def counts(self, clusters: int) -> Counts:
        if clusters not in self._counts:
            rng = generator("bootstrap", *self.identity, str(clusters))
            self._counts[clusters] = resampling(rng, clusters, self.draws)
        return self._counts[clusters]

    def signs(self, clusters: int) -> Counts:
        if clusters not in self._signs:
            self._signs[clusters] = signs(generator("signs", *self.identity, str(clusters)), clusters, self.draws)
        return self._signs[clusters]


@dataclass(frozen=True, eq=False)
class Sample:
    """Scores of several systems on the clips of one condition: above and below the fraction bar [system, clip].

    NaN where a system has no value for a clip; a clip's seeds are averaged. `cluster` [clip] numbers its cluster.
    """

    over: Array
    under: Array
    cluster: NDArray[np.int64]

    def common(self, systems: Sequence[int]) -> NDArray[np.bool_]:
        """Clips [clip] on which all of the systems have a value."""
        return np.asarray(np.isfinite(self.over[list(systems)]).all(axis=0))

    def sums(self, systems: Sequence[int], clips: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Sums [system, cluster] over the given clips; clusters without such clips are left out."""
        chosen = np.flatnonzero(clips)
        chosen = chosen[np.argsort(self.cluster[chosen], kind="stable")]
        starts = np.flatnonzero(np.diff(self.cluster[chosen], prepend=-1))
        over, under = (part[np.array(systems)[:, None], chosen] for part in (self.over, self.under))
        return np.add.reduceat(over, starts, axis=1), np.add.reduceat(under, starts, axis=1)


def score_interval(sample: Sample, system: int, draws: Draws) -> Interval | None:
    """The interval of one system's score, over the clips that it has values for."""
    clips = sample.common([system])
    if not sample.under[system, clips].any():
        return None
    over, under = sample.sums([system], clips)
    estimate = float(over.sum() / under.sum())
    drawn = ratios(draws.counts(over.shape[1]), over, under)[:, 0]
    return interval(drawn, left_out(over, under)[:, 0], estimate, abs(estimate))


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
        if sample.under[:, clips].any():
            found.update(_compared(sample, group, clips, draws))
    return {pair: found[pair] for pair in wanted if pair in found}


def worse_by_chance(sample: Sample, draws: Draws) -> float:
    """One-sided p that system 0 scores as much above system 1 on their common clips when neither is above the other."""
    over, under = sample.sums([0, 1], sample.common([0, 1]))
    differences = (over[0] - over[1])[None] / under.mean(0).sum()
    return one_sided(float(permutation(draws.signs(over.shape[1]), differences)[0]), bool(differences.sum() > 0))


def _compared(
    sample: Sample, group: Sequence[tuple[int, int]], clips: NDArray[np.bool_], draws: Draws
) -> dict[tuple[int, int], Difference]:
    systems = sorted({system for pair in group for system in pair})
    place = {system: index for index, system in enumerate(systems)}
    over, under = sample.sums(systems, clips)
    clusters = over.shape[1]
    scores = over.sum(1) / under.sum(1)
    drawn = ratios(draws.counts(clusters), over, under)
    alone = left_out(over, under)
    firsts, seconds = (np.array([place[pair[side]] for pair in group]) for side in (0, 1))
    below = (under[firsts] + under[seconds]).sum(1, keepdims=True) / 2
    p = permutation(draws.signs(clusters), (over[firsts] - over[seconds]) / below)
    found = {}
    for index, (pair, a, b) in enumerate(zip(group, firsts, seconds, strict=True)):
        scale = float(np.abs(scores[[a, b]]).max())
        value, gap = float(scores[a] - scores[b]), alone[:, a] - alone[:, b]
        value = 0.0 if abs(value) <= EQUAL * scale else value
        error = jackknife_error(gap) if clusters > 1 and np.isfinite(gap).all() else float("inf")
        found[pair] = Difference(
            value=value,
            interval=interval(drawn[:, a] - drawn[:, b], gap, value, scale),
            p=float(p[index]),
            clips=int(clips.sum()),
            clusters=clusters,
            error=0.0 if error <= EQUAL * scale else error,
        )
    return found


@dataclass(frozen=True)
class SeedVariance:
    """Where the variance of a generative system's scores comes from (one-way random effects, equal seeds per clip)."""

    between_clips: float
    between_seeds: float
    seeds: int

    @property
    def share_of_seeds(self) -> float:
        """Of the variance of a single score."""
        total = self.between_clips + self.between_seeds
        return self.between_seeds / total if total else 0.0


def seed_variance(scores: Array) -> SeedVariance | None:
    """Components of scores [clip, seed]; None for a single seed or clip."""
    clips, seeds = scores.shape
    if clips < 2 or seeds < 2:
        return None
    within = float(scores.var(axis=1, ddof=1).mean())
    between = float(scores.mean(axis=1).var(ddof=1)) - within / seeds
    return SeedVariance(max(0.0, between), within, seeds)


def pairs(count: int) -> list[tuple[int, int]]:
    """All pairs of `count` systems."""
    return list(combinations(range(count), 2))
