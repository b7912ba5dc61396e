"""Where metrics contradict each other: rank correlations of values over the clips of each system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.types import Table
from restorebench.reports.tables.board import DASH

FEWEST = 5
"""Clips of a system below which its correlation is left out."""
NOTE = (
    "Spearman's rank correlation over the clips of a system, mean over the ranked systems; the sign of every value is "
    "chosen so that higher is better"
)


def agreement(everything: Sequence[PairedScores], cards: Mapping[str, SystemCard]) -> list[Table]:
    """A table per condition: rank correlations between values over clips, averaged over the ranked systems.

    Each correlation is within one system. If systems were pooled, differences between systems would count as agreement
    on clips, and anchors, which score far from all systems, would make any two values agree.
    """
    tables = []
    for condition in dict.fromkeys(scores.condition for scores in everything):
        mine = [s for s in everything if s.condition == condition and s.tested]
        if not any(_ranked(scores, cards) for scores in mine):
            continue
        rows = [
            (first.value.label, *(_shown(first, second, cards) for second in mine))
            for first in mine
        ]  # fmt: skip
        tables.append(Table(f"{condition}", ("", *(scores.value.label for scores in mine)), tuple(rows), (NOTE,)))
    return tables


def _ranked(scores: PairedScores, cards: Mapping[str, SystemCard]) -> list[str]:
    return [system for system in scores.systems if cards[system].kind != "anchor"]


def _shown(first: PairedScores, second: PairedScores, cards: Mapping[str, SystemCard]) -> str:
    """The mean correlation over systems; a dash if no system has enough clips."""
    from scipy.stats import spearmanr

    correlations = []
    for system in _ranked(first, cards):
        if system not in second.systems:
            continue
        pair = np.array([_by_clip(scores, system, first.clips) for scores in (first, second)])
        known = pair[:, np.isfinite(pair).all(axis=0)]
        if known.shape[1] >= FEWEST and (np.ptp(known, axis=1) > 0).all():
            correlations.append(float(spearmanr(*known).statistic))
    return f"{np.mean(correlations):.2f}" if correlations else DASH


def _by_clip(scores: PairedScores, system: str, clips: Sequence[str]) -> list[float]:
    """Scores of the named clips, oriented so that higher is better; NaN for a clip without a score."""
    row = scores.oriented_z_scores()[scores.systems.index(system)]
    known = dict(zip(scores.clips, row, strict=True))
    return [known.get(clip, np.nan) for clip in clips]
