"""Change points in a series of checkpoints: where the scores of the same clips shift from one level to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr  # scipy.stats takes a second to import

from restorebench.benchmark.analysis.intervals import standard_error
from restorebench.benchmark.analysis.paired_tests import Sample, influences
from restorebench.benchmark.analysis.resampling import Array

LEVEL = 0.001
"""Significance level: a shift is reported if its corrected p is below this number. It is low because the test is
repeated with every new checkpoint."""
ROUNDING = 1e-9
"""A shift of at most this fraction of the largest absolute score is a rounding error."""


@dataclass(frozen=True)
class ChangePoint:
    """A shift between two checkpoints of a series."""

    place: int
    """Index of the first checkpoint after the shift."""
    shift: float
    """Mean score after the shift minus mean score before it, over the part of the series that was split here."""
    p: float
    """Corrected (Bonferroni) for the number of places at which this part of the series could be split."""


def change_points(sample: Sample, level: float = LEVEL) -> list[ChangePoint]:
    """Shifts in a series, by binary segmentation with paired tests.

    The candidate is the place with the largest |mean after - mean before| * sqrt(n_before * n_after), where n counts
    checkpoints (the CUSUM statistic). The series is split there if the difference of the two means is significant
    (Student's t test, whose standard error comes from the influence of each cluster). Each part is then searched in the
    same way.

    Args:
        sample: Scores of the checkpoints, in the order of training, on the same clips; clips without a value for one
            of the checkpoints are left out.
        level: Shifts with a corrected p below this level are reported.

    Returns:
        Change points by place.

    Source: binary segmentation, Scott & Knott 1974; CUSUM, Page 1954.

    Example:
        >>> import numpy as np
        >>> scores = np.random.default_rng(0).normal(size=(6, 50)) + [[0], [0], [0], [3], [3], [3]]
        >>> [point.place for point in change_points(Sample(scores, np.ones_like(scores), np.arange(50)))]
        [3]
    """
    systems = range(len(sample.numerator))
    clips = sample.common(systems)
    if len(systems) < 2 or len(np.unique(sample.cluster[clips])) < 2:
        return []
    numerator, denominator = sample.sums(systems, clips)
    scores = numerator.sum(axis=1) / denominator.sum(axis=1)
    return _split(scores, influences(numerator, denominator), 0, len(scores), level)


def _split(scores: Array, influence: Array, start: int, end: int, level: float) -> list[ChangePoint]:
    """Change points of the checkpoints start..end-1; scores [checkpoint], influence [checkpoint, cluster]."""
    if end - start < 2:
        return []
    sums = scores[start:end].cumsum()
    before = np.arange(1, end - start)
    after = end - start - before
    differences = (sums[-1] - sums[:-1]) / after - sums[:-1] / before
    split = start + 1 + int(np.argmax(np.abs(differences) * np.sqrt(before * after)))
    shift = float(scores[split:end].mean() - scores[start:split].mean())
    difference_influence = influence[split:end].mean(axis=0) - influence[start:split].mean(axis=0)
    error = float(standard_error(difference_influence[None])[0])
    p = min(1.0, _p(shift, error, influence.shape[1], float(np.abs(scores).max())) * (end - start - 1))
    if not p < level:
        return []
    left, right = _split(scores, influence, start, split, level), _split(scores, influence, split, end, level)
    return [*left, ChangePoint(split, shift, p), *right]


def _p(shift: float, error: float, clusters: int, largest_score: float) -> float:
    """Student's two-sided p of a shift; 1 for a shift that is a rounding error of the scores."""
    if abs(shift) <= ROUNDING * largest_score:
        return 1.0
    return float(2 * stdtr(clusters - 1, -abs(shift) / error)) if error else 0.0
