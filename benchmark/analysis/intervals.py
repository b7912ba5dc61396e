"""Confidence intervals of one score: BCa bootstrap (Efron 1987), Student's t of the jackknife for few clusters."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit  # scipy.stats takes a second to import

from restorebench.benchmark.analysis.resampling import Array

CONFIDENCE = 0.95
BOOTSTRAPPED = 8
"""Clusters from which on intervals are bootstrapped."""
ROUNDING = 1e-6
"""Of sums in float32, relative."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


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


def jackknife_error(jackknife: Array) -> float:
    """Standard error from scores with one cluster left out each."""
    count = len(jackknife)
    return float(sqrt((count - 1) / count * ((jackknife - jackknife.mean()) ** 2).sum()))
