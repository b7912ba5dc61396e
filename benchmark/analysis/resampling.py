"""Random draws of clusters, and the scores of resampled clusters as matrix products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.core.seeds import generator

Array = NDArray[np.float64]
Counts = NDArray[np.uint8] | NDArray[np.int8]
"""Small whole numbers [draw, cluster]."""
CHUNK = 500
"""Draws multiplied at once."""
DRAWS = 10_000
EXACT = 13
"""Clusters up to which every sign pattern is tried."""


def resampling(rng: np.random.Generator, clusters: int, draws: int = DRAWS) -> Counts:
    """How often each cluster is drawn: [draw, cluster], rows sum to the number of clusters."""
    counts = np.empty((draws, clusters), dtype=np.uint8)  # of n picks none repeats 256 times
    for start in range(0, draws, CHUNK):
        rows = counts[start : start + CHUNK]
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
    pieces = range(0, len(draws), CHUNK)
    return np.concatenate([draws[start : start + CHUNK].astype(np.float32) @ wide for start in pieces])


def ratios(counts: Counts, numerator: Array, denominator: Array) -> Array:
    """Scores [draw, system] of resampled clusters; NaN where nothing was drawn that counts."""
    above, below = (products(counts, part.T) for part in (numerator, denominator))
    with np.errstate(divide="ignore", invalid="ignore"):
        return above.astype(np.float64) / below.astype(np.float64)


def jackknife(numerator: Array, denominator: Array) -> Array:
    """Scores [cluster, system] with one cluster left out each time (jackknife)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            (numerator.sum(1, keepdims=True) - numerator) / (denominator.sum(1, keepdims=True) - denominator)
        ).T


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
