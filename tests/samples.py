"""Paired samples of two systems, drawn for simulations."""

from __future__ import annotations

import numpy as np

from restorebench.benchmark.analysis.paired_tests import Sample

rng = np.random.default_rng


def paired(seed: int, clusters: int, each: int, shift: float = 0.0, kind: str = "mean") -> Sample:
    """Two systems; clips of a cluster share a part of their difference, and every clip has its own difficulty."""
    g = rng(seed)
    cluster = np.repeat(np.arange(clusters), each)
    clips = len(cluster)
    if kind == "rate":
        words = g.integers(5, 25, clips).astype(float)
        errors = [g.binomial(words.astype(int), g.beta(1, 9, clips)).astype(float) for _ in range(2)]
        return Sample(np.stack(errors), np.stack([words, words]), cluster)
    shared = g.standard_normal(clusters)[cluster] * (each > 1)
    own = g.exponential(1, clips) - 1 if kind == "skewed" else g.standard_normal(clips)
    difficulty = 3 * g.standard_normal(clips)
    return Sample(np.stack([difficulty + shared + own + shift, difficulty]), np.ones((2, clips)), cluster)
