"""Change points in a series of checkpoints: where the scores of the same clips shift from one level to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr  # scipy.stats takes a second to import

LEVEL = 0.001
"""A corrected p below which a shift is reported: a series is looked at again after every new checkpoint."""


@dataclass(frozen=True)
class ChangePoint:
    """A shift between two checkpoints of a series."""

    place: int
    """Index of the first checkpoint after the shift."""
    shift: float
    """Mean score after it minus that before it, up to the neighbouring change points."""
    p: float
    """Corrected over the places at which the shift could be (Bonferroni)."""


def change_points(scores: NDArray[np.float64], cluster: NDArray[np.int64], level: float = LEVEL) -> list[ChangePoint]:
    """Shifts in a series, by binary segmentation with paired tests.

    The series is split where the means before and after differ most for the number of checkpoints on both sides (the
    CUSUM statistic), if that difference is significant (Student's t of the clusters' mean differences). Each part is
    split again in the same way.

    Args:
        scores: [checkpoint, clip], in the order of training; clips with a NaN are left out.
        cluster: Cluster of each clip [clip], such as its speaker.
        level: Largest corrected p of a reported shift.

    Returns:
        Change points by place.

    Source: binary segmentation, Scott & Knott 1974; CUSUM, Page 1954.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).normal(size=(6, 50))
        >>> [point.place for point in change_points(noise + [[0], [0], [0], [3], [3], [3]], np.arange(50))]
        [3]
    """
    known = np.isfinite(scores).all(axis=0)
    labels, place = np.unique(cluster[known], return_inverse=True)
    if len(labels) < 2:
        return []
    sums = np.zeros((len(scores), len(labels)))
    np.add.at(sums.T, place, scores[:, known].T)
    return _split(sums / np.bincount(place), 0, len(scores), level)


def _split(means: NDArray[np.float64], start: int, end: int, level: float) -> list[ChangePoint]:
    """Change points of the checkpoints start..end-1; means: [checkpoint, cluster]."""
    if end - start < 2:
        return []
    curve = means[start:end].mean(axis=1)
    before = np.arange(1, end - start)
    after = end - start - before
    differences = (curve.sum() - curve.cumsum()[:-1]) / after - curve.cumsum()[:-1] / before
    place = start + 1 + int(np.argmax(np.abs(differences) * np.sqrt(before * after)))
    point = _shift(means[start:place], means[place:end], place, end - start - 1)
    if not point.p < level:
        return []
    return [*_split(means, start, place, level), point, *_split(means, place, end, level)]


def _shift(before: NDArray[np.float64], after: NDArray[np.float64], place: int, tests: int) -> ChangePoint:
    differences = after.mean(axis=0) - before.mean(axis=0)
    count, mean, spread = len(differences), differences.mean(), differences.std(ddof=1)
    t = abs(mean) / (spread / np.sqrt(count)) if spread else np.inf
    p = float(2 * stdtr(count - 1, -t)) if mean else 1.0
    return ChangePoint(place, float(mean), min(1.0, p * tests))
