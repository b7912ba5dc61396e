"""Splits the variance of a generative system's scores into parts due to the clips and due to the seeds."""

from __future__ import annotations

from dataclasses import dataclass

from restorebench.benchmark.analysis.resampling import Array


@dataclass(frozen=True)
class SeedVariance:
    """Where the variance of a generative system's scores comes from (one-way random effects, equal seeds per clip)."""

    between_clips: float
    between_seeds: float
    seeds: int

    @property
    def share_of_seeds(self) -> float:
        """Share of the seeds in the variance of a single score, 0 to 1."""
        total = self.between_clips + self.between_seeds
        return self.between_seeds / total if total else 0.0


def seed_variance(scores: Array) -> SeedVariance | None:
    """Variance components of scores [clip, seed]; None for a single seed or clip."""
    clips, seeds = scores.shape
    if clips < 2 or seeds < 2:
        return None
    within = float(scores.var(axis=1, ddof=1).mean())
    between = float(scores.mean(axis=1).var(ddof=1)) - within / seeds
    return SeedVariance(max(0.0, between), within, seeds)
