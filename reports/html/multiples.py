"""Small multiples: a value's scores by the severity of each distortion, a picture for each factor.

A row of a picture is a system; its marks are the score in each bin, shaded from the first bin to the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from restorebench.benchmark.types import Table
from restorebench.reports.html.overview import BOTTOM, TOP, cut, left_of, scale_over, ticks_of
from restorebench.reports.tables.breakdown import Breakdown

BETWEEN = 5.0
"""Height from one mark of a row to the next; their intervals must not cover each other."""
SPACE = 10.0
"""Height of a row beyond that."""


def multiples(found: Sequence[tuple[Breakdown, Table]], shown: Callable[[str], str]) -> list[dict[str, Any]]:
    """Per condition and value: its pictures, and the same numbers as tables. shown: how a system is written."""
    groups: dict[str, list[tuple[Breakdown, Table]]] = {}
    for made, table in found:
        groups.setdefault(f"{made.label}: {made.condition}", []).append((made, table))
    return [
        {
            "title": title,
            "pictures": [drawn for made, _ in group if (drawn := picture(made, shown))],
            "tables": [table for _, table in group],
        }
        for title, group in groups.items()
    ]


def picture(made: Breakdown, shown: Callable[[str], str]) -> dict[str, Any] | None:
    """The scores of each system in each bin, with intervals; None where no system has a score."""
    systems = [system for system, means in made.means.items() if any(mean is not None for mean in means)]
    ends = [end for system in systems for pair in made.intervals[system] if pair for end in pair]
    means = [mean for system in systems for mean in made.means[system] if mean is not None]
    if not means:
        return None
    scale = scale_over([*means, *ends], left_of([shown(system) for system in systems]))
    bins = len(made.bins)
    row = SPACE + BETWEEN * (bins - 1) + 4
    rows = []
    for place, system in enumerate(systems):
        middle = TOP + row * (place + 0.5)
        marks = [
            {
                "bin": made.bins[at], "n": made.known[system][at], "mean": mean, "interval": interval,
                "x": scale(mean), "y": middle + BETWEEN * (at - (bins - 1) / 2), "shade": shade(at, bins),
                "ends": [scale(end) for end in interval or ()],
            }
            for at, (mean, interval) in enumerate(zip(made.means[system], made.intervals[system], strict=True))
            if mean is not None
        ]  # fmt: skip
        rows.append({"system": system, "name": cut(shown(system)), "y": middle, "marks": marks})
    bottom = TOP + row * len(rows)
    key = [
        {"bin": text, "n": n, "shade": shade(at, bins)}
        for at, (text, n) in enumerate(zip(made.bins, made.clips, strict=True))
    ]
    return {
        "factor": made.factor, "value": made.value, "label": made.label, "condition": made.condition,
        "decimals": made.decimals, "rows": rows, "key": key, "ticks": ticks_of(scale), "bottom": bottom,
        "height": bottom + BOTTOM,
    }  # fmt: skip


def shade(place: int, bins: int) -> int:
    """How dark a bin is drawn, in percent: the first one lightest."""
    return round(100 * place / (bins - 1)) if bins > 1 else 100
