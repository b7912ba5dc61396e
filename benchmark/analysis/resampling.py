"""Random draws of clusters, and the t of resampled clusters as matrix products."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.core.seeds import generator

Array = NDArray[np.float64]
Counts = NDArray[np.uint8] | NDArray[np.int8]
"""Small whole numbers [draw, cluster]."""
CHUNK = 500
"""Number of draws that are multiplied at once."""
DRAWS = 10_000
EXACT = 13
"""Largest number of clusters for which every sign pattern is used."""
KEPT = 4
"""Number of matrices in each cache; a condition needs one per number of clusters, which depends on missing scores."""
TINY = 1e-12
"""Variance below which resampled clusters count as equal (their t is infinite)."""


def resampling(rng: np.random.Generator, clusters: int, draws: int = DRAWS) -> Counts:
    """How often each cluster is drawn: [draw, cluster], rows sum to the number of clusters."""
    counts = np.empty((draws, clusters), dtype=np.uint8)  # in practice, no cluster is drawn 256 times
    for start in range(0, draws, CHUNK):
        rows = counts[start : start + CHUNK]
        flat = rng.integers(clusters, size=rows.shape) + clusters * np.arange(len(rows))[:, None]
        rows[:] = np.bincount(flat.ravel(), minlength=rows.size).reshape(rows.shape)
    return counts


def signs(rng: np.random.Generator, clusters: int, draws: int = DRAWS) -> Counts:
    """Sign patterns [draw, cluster]; for at most `EXACT` clusters, every pattern once."""
    if clusters <= EXACT:
        patterns = np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1
        return (1 - 2 * patterns).astype(np.int8)
    return 1 - 2 * rng.integers(2, size=(draws, clusters), dtype=np.int8)


def products(draws: Counts, columns: Array) -> NDArray[np.float32]:
    """Product of [draw, cluster] and [cluster, column], in pieces, so that few draws at a time become 32-bit floats."""
    wide = columns.astype(np.float32)
    pieces = range(0, len(draws), CHUNK)
    return np.concatenate([draws[start : start + CHUNK].astype(np.float32) @ wide for start in pieces])


def bootstrap_t(counts: Counts, influence: Array) -> Array:
    """t of resampled clusters [draw, comparison]: their mean influence [comparison, cluster] over its standard error.

    Infinite where all clusters of a draw have the same influence, 0 where that influence is 0.
    """
    clusters = influence.shape[1]
    scale = np.sqrt((influence**2).mean(1, keepdims=True))
    unit = influence / np.where(scale > 0, scale, 1.0)
    mean, square = (products(counts, part.T).astype(np.float64) / clusters for part in (unit, unit**2))
    variance = np.maximum(square - mean**2, 0) / max(clusters - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(variance > TINY, mean / np.sqrt(variance), np.inf * np.sign(mean))
    return np.where(np.isnan(t), 0.0, t)


@lru_cache(maxsize=KEPT)
def _counts(identity: tuple[str, ...], clusters: int, draws: int) -> Counts:
    return resampling(generator("bootstrap", *identity, str(clusters)), clusters, draws)


@lru_cache(maxsize=KEPT)
def _signs(identity: tuple[str, ...], clusters: int, draws: int) -> Counts:
    return signs(generator("signs", *identity, str(clusters)), clusters, draws)


class Draws:
    """Random draws that all values of a table share. `identity` names the random stream."""

    def __init__(self, *identity: str, draws: int = DRAWS) -> None:
        self.identity, self.draws = identity, draws

    def counts(self, clusters: int) -> Counts:
        """How often each cluster is drawn [draw, cluster]."""
        return _counts(self.identity, clusters, self.draws)

    def signs(self, clusters: int) -> Counts:
        """Sign patterns [draw, cluster]."""
        return _signs(self.identity, clusters, self.draws)
