"""Means of ratings with listeners and items as crossed random effects, and the agreement of listeners.

A rating is mean + listener + item + rest. The variances of the last three are estimated by Henderson's method 1 (Searle
1971, chapter 10): sums of squares are equated to their expectations. Listeners may rate different items. A negative
estimate of a variance is replaced by 0. The degrees of freedom of the mean's standard error follow Satterthwaite
(1946).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from restorebench.benchmark.analysis.intervals import CONFIDENCE, Interval

SUMS = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
"""Maps the sums of squares of rest, listeners and items to those about the mean, of listeners, and of items."""


@dataclass(frozen=True)
class Effects:
    mean: float
    listener: float
    """Variance between listeners."""
    item: float
    """Variance between items."""
    rest: float
    """Residual variance."""
    error: float
    """Standard error of the mean; NaN where the three variances cannot be estimated."""
    freedom: float
    """Degrees of freedom of the standard error."""
    ratings: int
    listeners: int
    items: int

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the mean; None where the standard error is 0 or unknown."""
        if not self.error > 0:
            return None
        half = float(stdtrit(self.freedom, 0.5 + CONFIDENCE / 2)) * self.error
        return Interval(self.mean - half, self.mean + half)

    @property
    def agreement(self) -> float:
        """Intra-class correlation of one rating, ICC(2,1) (Shrout & Fleiss 1979): the items' share of the variance."""
        total = self.listener + self.item + self.rest
        return self.item / total if total else float("nan")


def effects(ratings: Sequence[float], listeners: Sequence[object], items: Sequence[object]) -> Effects:
    """Mean and variances of ratings [rating], each by one listener of one item. Needs at least one rating."""
    y = np.asarray(ratings, dtype=np.float64)
    _, listener_index = np.unique(np.asarray(listeners, dtype=str), return_inverse=True)
    _, item_index = np.unique(np.asarray(items, dtype=str), return_inverse=True)
    cells = np.zeros((listener_index.max() + 1, item_index.max() + 1))
    np.add.at(cells, (listener_index, item_index), 1)
    by_listener, by_item, total = cells.sum(1), cells.sum(0), float(len(y))
    mean = float(y.mean())
    squares = np.array([
        np.sum((y - mean) ** 2),
        np.sum(np.bincount(listener_index, y - mean) ** 2 / by_listener),
        np.sum(np.bincount(item_index, y - mean) ** 2 / by_item),
    ])  # fmt: skip
    listener_share, item_share = np.sum(by_listener**2) / total, np.sum(by_item**2) / total
    items_of_listeners = np.sum(cells**2 / by_listener[:, None])
    listeners_of_items = np.sum(cells**2 / by_item[None])
    expected = np.array([
        [total - listener_share, total - item_share, total - 1],
        [total - listener_share, items_of_listeners - item_share, len(by_listener) - 1],
        [listeners_of_items - listener_share, total - item_share, len(by_item) - 1],
    ])  # fmt: skip
    few = min(cells.shape) < 2 or total <= sum(cells.shape) - 1
    if few or np.linalg.matrix_rank(expected) < 3:  # the three variances cannot be estimated
        unknown = float("nan")
        return Effects(mean, unknown, unknown, unknown, unknown, 0.0, len(y), *cells.shape)
    estimates = np.linalg.inv(expected)
    listener, item, rest = (max(0.0, float(v)) for v in estimates @ squares)
    weights = np.array([listener_share, item_share, 1.0]) / total
    variance = float(weights @ [listener, item, rest])
    # The variance is a weighted sum of the sums of squares of rest, listeners and items.
    separate_squares = np.array([squares[0] - squares[1] - squares[2], squares[1], squares[2]])
    freedoms = np.array([total - sum(cells.shape) + 1, len(by_listener) - 1, len(by_item) - 1])
    parts = (weights @ estimates @ SUMS) * separate_squares
    freedom = variance**2 / float(np.sum(parts**2 / freedoms)) if variance else float(freedoms.min())
    return Effects(mean, listener, item, rest, float(np.sqrt(variance)), freedom, len(y), *cells.shape)
