"""Which clips are worth listening to: the worst, and those that systems or metrics disagree on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from restorebench.benchmark.analysis.paired_scores import PairedScores


def oriented_z_scores(
    everything: Sequence[PairedScores], left_out: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """Trial -> "worst" (lowest z-score), "systems" (mean range over systems), "metrics" (range of the values' means).

    left_out: systems that do not count, such as anchors.
    """
    table: dict[str, list[np.ndarray]] = {}
    for scores in everything:
        turned = scores.oriented_z_scores()
        turned = turned[[system not in left_out for system in scores.systems]]
        for index, clip in enumerate(scores.clips):
            table.setdefault(f"{scores.condition}/{clip}", []).append(turned[:, index])
    z_scores = {}
    for trial, rows in table.items():
        known = np.concatenate(rows)
        known = known[np.isfinite(known)]
        if len(known):
            means = [float(np.nanmean(row)) for row in rows if np.isfinite(row).any()]
            apart = [float(np.nanmax(row) - np.nanmin(row)) for row in rows if np.isfinite(row).any()]
            z_scores[trial] = {
                "worst": float(known.min()), "systems": float(np.mean(apart)), "metrics": float(np.ptp(means)),
            }  # fmt: skip
    return z_scores


def choose(everything: Sequence[PairedScores], trials: Sequence[str], count: int) -> list[str]:
    """At most `count` trials whose sounds the report contains, in the plan's order."""
    if len(trials) <= count:
        return list(trials)
    z_scores = oriented_z_scores(everything)
    orders = [sorted(z_scores, key=lambda t: z_scores[t]["worst"])]
    orders += [sorted(z_scores, key=lambda t, k=kind: -z_scores[t][k]) for kind in ("systems", "metrics")]  # type: ignore[misc]
    orders.append([trials[int(index)] for index in np.linspace(0, len(trials) - 1, count)])
    kept: dict[str, None] = {}
    for turn in range(count):
        for order in orders:
            if turn < len(order) and len(kept) < count:
                kept[order[turn]] = None
    return [trial for trial in trials if trial in kept]
