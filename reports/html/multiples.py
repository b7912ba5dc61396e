"""Small multiples: the scores of a value by the severity of each distortion, with one picture for each factor.

Each row of a picture is a system. Its marks are the scores in the bins of severity, shaded from first to last bin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from restorebench.benchmark.types import Table
from restorebench.reports.html.overview import BOTTOM, TOP, cut, left_of, scale_over, ticks_of
from restorebench.reports.tables.breakdown import Breakdown

BETWEEN = 5.0
"""Vertical distance between two marks of a row, large enough that their intervals do not overlap."""
SPACE = 10.0
"""Height of a row in addition to the distances between its marks."""


def multiples(tables: Sequence[tuple[Breakdown, Table]], shown: Callable[[str], str]) -> list[dict[str, Any]]:
    """Per condition and value: its pictures, and its numbers as tables. shown: maps a system to its displayed name."""
    groups: dict[str, list[tuple[Breakdown, Table]]] = {}
    for breakdown, table in tables:
        groups.setdefault(f"{breakdown.label}: {breakdown.condition}", []).append((breakdown, table))
    return [
        {
            "title": title,
            "pictures": [drawn for breakdown, _ in group if (drawn := picture(breakdown, shown))],
            "tables": [table for _, table in group],
        }
        for title, group in groups.items()
    ]


def picture(breakdown: Breakdown, shown: Callable[[str], str]) -> dict[str, Any] | None:
    """The scores of each system in each bin, with intervals; None where no system has a score."""
    systems = [system for system, means in breakdown.means.items() if any(mean is not None for mean in means)]
    ends = [end for system in systems for pair in breakdown.intervals[system] if pair for end in pair]
    means = [mean for system in systems for mean in breakdown.means[system] if mean is not None]
    if not means:
        return None
    scale = scale_over([*means, *ends], left_of([shown(system) for system in systems]))
    bins = len(breakdown.bins)
    row = SPACE + BETWEEN * (bins - 1) + 4
    rows = []
    for index, system in enumerate(systems):
        middle = TOP + row * (index + 0.5)
        marks = [
            {
                "bin": breakdown.bins[at], "n": breakdown.known[system][at], "mean": mean, "interval": interval,
                "x": scale(mean), "y": middle + BETWEEN * (at - (bins - 1) / 2), "shade": shade(at, bins),
                "ends": [scale(end) for end in interval or ()],
            }
            for at, (mean, interval) in enumerate(
                zip(breakdown.means[system], breakdown.intervals[system], strict=True)
            )
            if mean is not None
        ]  # fmt: skip
        rows.append({"system": system, "name": cut(shown(system)), "y": middle, "marks": marks})
    bottom = TOP + row * len(rows)
    key = [
        {"bin": text, "n": n, "shade": shade(at, bins)}
        for at, (text, n) in enumerate(zip(breakdown.bins, breakdown.clips, strict=True))
    ]
    return {
        "factor": breakdown.factor, "value": breakdown.value, "label": breakdown.label,
        "condition": breakdown.condition,
        "decimals": breakdown.decimals, "rows": rows, "key": key, "ticks": ticks_of(scale), "bottom": bottom,
        "height": bottom + BOTTOM,
    }  # fmt: skip


def shade(index: int, bins: int) -> int:
    """Darkness of a bin in percent; the first bin is the lightest."""
    return round(100 * index / (bins - 1)) if bins > 1 else 100
