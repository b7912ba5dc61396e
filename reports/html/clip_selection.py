"""Selects clips for listening: the clips with the worst scores, and clips on which systems or metrics disagree."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from restorebench.benchmark.analysis.paired_scores import PairedScores


def oriented_z_scores(
    everything: Sequence[PairedScores], left_out: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """Measures of each trial: "worst", its lowest z-score; "systems", the mean of the values' ranges over systems;
    "metrics", the range of the values' means over systems. z-scores are oriented so that higher is better.

    left_out: systems that do not count, such as anchors.
    """
    table: dict[str, list[np.ndarray]] = {}
    for scores in everything:
        oriented = scores.oriented_z_scores()
        oriented = oriented[[system not in left_out for system in scores.systems]]
        for index, clip in enumerate(scores.clips):
            table.setdefault(f"{scores.condition}/{clip}", []).append(oriented[:, index])
    z_scores = {}
    for trial, rows in table.items():
        known = np.concatenate(rows)
        known = known[np.isfinite(known)]
        if len(known):
            means = [float(np.nanmean(row)) for row in rows if np.isfinite(row).any()]
            ranges = [float(np.nanmax(row) - np.nanmin(row)) for row in rows if np.isfinite(row).any()]
            z_scores[trial] = {
                "worst": float(known.min()), "systems": float(np.mean(ranges)), "metrics": float(np.ptp(means)),
            }  # fmt: skip
    return z_scores


def choose(everything: Sequence[PairedScores], trials: Sequence[str], count: int) -> list[str]:
    """At most `count` trials whose sounds the report will contain, in the plan's order.

    They are taken in turn from the trials with the lowest z-scores, the trials on which systems differ most, those on
    which metrics differ most, and trials evenly spaced over the plan.
    """
    if len(trials) <= count:
        return list(trials)
    z_scores = oriented_z_scores(everything)
    orders = [sorted(z_scores, key=lambda t: z_scores[t]["worst"])]
    orders += [sorted(z_scores, key=lambda t, k=kind: -z_scores[t][k]) for kind in ("systems", "metrics")]  # type: ignore[misc]
    orders.append([trials[int(index)] for index in np.linspace(0, len(trials) - 1, count)])
    chosen: dict[str, None] = {}
    for rank in range(count):
        for order in orders:
            if rank < len(order) and len(chosen) < count:
                chosen[order[rank]] = None
    return [trial for trial in trials if trial in chosen]
