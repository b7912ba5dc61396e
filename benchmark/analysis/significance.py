"""Sign-flip and bootstrap-t tests, Holm's correction for many comparisons, ranks, and letters for ties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr  # scipy.stats takes a second to import

from restorebench.benchmark.analysis.resampling import Array, Counts, products

ALPHA = 0.05
"""Significance level: a difference with a p below it is significant."""


def sign_flip_p(flips: Counts, differences: Array) -> Array:
    """Two-sided p [comparison] of a sign-flip test: share of sign patterns whose absolute sum reaches the observed one.

    `differences` [comparison, cluster] are assumed to be symmetric about 0 if the systems do not differ. With all sign
    patterns the p is exact. With random patterns, the observed pattern is counted too, and Student's p can replace p.
    """
    observed = np.abs(differences.sum(1))
    flipped = np.abs(products(flips, differences.T))
    reached = (flipped >= observed * (1 - 1e-5) - 1e-12).sum(0)
    if len(flips) == 2 ** differences.shape[1]:
        return np.asarray(reached / len(flips), dtype=np.float64)
    return _with_student_tail((reached + 1) / (len(flips) + 1), reached, differences)


def bootstrap_p(studentised: Array, observed: Array, differences: Array) -> Array:
    """Two-sided p [comparison] of the bootstrap t, equal-tailed; it holds for skewed differences too.

    Args:
        studentised: t of resampled clusters [draw, comparison].
        observed: t of the clusters [comparison].
        differences: [comparison, cluster].
    """
    reached = np.minimum((studentised >= observed).sum(0), (studentised <= observed).sum(0))
    p = np.minimum(2 * (reached + 1) / (len(studentised) + 1), 1.0)
    return _with_student_tail(p, reached, differences)


def _with_student_tail(p: Array, reached: Array, differences: Array) -> Array:
    """Replaces p by the p of Student's t where no draw reached the observed value and Student's p is smaller.

    The correction over hundreds of pairs needs p below 1 / draws.
    """
    clusters = differences.shape[1]
    spread = differences.std(axis=1, ddof=1) if clusters > 1 else np.zeros(len(differences))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(differences.mean(1)) / (spread / np.sqrt(clusters))
    tail = np.where(np.isfinite(t), 2 * stdtr(max(clusters - 1, 1), -t), p)
    return np.where(reached == 0, np.minimum(p, tail), p)


def smallest_p(clusters: int) -> float:
    """The smallest two-sided p that sign flips of this number of clusters can give."""
    return float(2.0 ** (1 - clusters))


def one_sided(p: float, positive: bool) -> float:
    """One-sided p of "greater" from a two-sided p of sign flips. `positive`: whether the difference is positive."""
    return p / 2 if positive else 1 - p / 2


def holm(p: Sequence[float] | Array) -> Array:
    """Holm's adjusted p: if differences with p < 0.05 are called significant, the family-wise error is at most 5 %."""
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def ranks(above: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Best and worst rank of each system, 1 the best. `above[i, j]`: system i is significantly better than system j.

    With tests that control the family-wise error rate, the rank ranges are simultaneous confidence sets
    (Mogstad, Romano, Shaikh & Wilhelm 2024).
    """
    better, worse = above.sum(axis=0), above.sum(axis=1)
    return [(1 + int(b), len(above) - int(w)) for b, w in zip(better, worse, strict=True)]


def compact_letter_display(count: int, separated: set[tuple[int, int]]) -> list[str]:
    """Tie letters: two systems share a letter if and only if `separated` lacks their pair (i < j)."""
    groups: list[set[int]] = [set(range(count))]
    for first, second in sorted(separated):
        split = [group for group in groups if {first, second} <= group]
        groups = [group for group in groups if group not in split]
        groups += [group - {system} for group in split for system in (first, second)]
        groups = [group for index, group in enumerate(groups) if not _absorbed(index, group, groups)]
    groups.sort(key=lambda group: sorted(group))
    return ["".join(_letter(index) for index, group in enumerate(groups) if system in group) for system in range(count)]


def _absorbed(index: int, group: set[int], groups: list[set[int]]) -> bool:
    return any(group < other or (group == other and index > position) for position, other in enumerate(groups))


def _letter(index: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[index % 26] * (index // 26 + 1)
