"""Where metrics contradict each other: rank correlations of values over the clips and systems of a condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.types import Table
from restorebench.reports.tables.board import DASH


def agreement(everything: Sequence[PairedScores]) -> list[Table]:
    """Rank correlations of values over clips and systems, per condition: where metrics contradict each other."""
    from scipy.stats import spearmanr

    tables = []
    for condition in dict.fromkeys(scores.condition for scores in everything):
        mine = [scores for scores in everything if scores.condition == condition]
        flat = {}
        for scores in mine:
            turned = scores.oriented_z_scores()
            flat[scores.value.label] = {
                (system, clip): turned[row, place]
                for row, system in enumerate(scores.systems)
                for place, clip in enumerate(scores.clips)
            }
        rows = []
        for first, own in flat.items():
            cells = [first]
            for others in flat.values():
                shared = [key for key in own if key in others and np.isfinite(own[key]) and np.isfinite(others[key])]
                pairs = np.array([[own[key], others[key]] for key in shared])
                varied = len(pairs) > 2 and (np.ptp(pairs, axis=0) > 0).all()
                cells.append(f"{spearmanr(pairs).statistic:.2f}" if varied else DASH)
            rows.append(tuple(cells))
        note = "Spearman's rank correlation over all systems and clips; every value turned so that more is better"
        tables.append(Table(f"{condition}", ("", *flat), tuple(rows), (note,)))
    return tables
