"""The data of the pictures in the report's overview, one set of pictures for each condition.

The pictures show the leaderboard's cells (`tables/leaderboard.py`); every mark carries its numbers as data attributes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.reports.tables.board import header, marked
from restorebench.reports.tables.in_words import by_clips
from restorebench.reports.tables.leaderboard import Column, Entry

WIDTH, ROW, TOP, BOTTOM = 300.0, 18.0, 20.0, 22.0
"""Width of a picture in its own units (pixels at full size), height of a row, space above and below the rows."""
LETTER = 6.4
"""Width of a character of a label."""
LONGEST = 20
"""Largest number of characters of a name beside a row; longer names are cut; the tooltip has the full name."""
VALUES = 4
"""Largest number of values with a picture of their own."""
MOST_CLIPS = 200
"""Largest number of clips for which each clip has a mark."""


@dataclass(frozen=True)
class Scale:
    """A linear map from the numbers `low` to `high` to the coordinates `left` to `right`."""

    low: float
    high: float
    left: float
    right: float

    def __call__(self, number: float) -> float:
        return round(self.left + (number - self.low) / (self.high - self.low) * (self.right - self.left), 1)

    def ticks(self) -> list[float]:
        """Two to five round numbers in the range."""
        step = 10 ** math.floor(math.log10((self.high - self.low) / 2))
        step *= next(factor for factor in (5, 2, 1) if (self.high - self.low) / (step * factor) >= 2)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]


def overviews(board: Board, all_columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The pictures of each condition with a headline value, as data for the template; largest condition first."""
    shown = []
    for condition in by_clips(board.plan):
        here = [column for column in all_columns if column.condition == condition and column.value.headline]
        headline = [column for column in here if column.value.role != "speed"][:VALUES]
        speed = next((column for column in here if column.value.role == "speed"), None)
        forests = [picture for column in headline if (picture := forest(column, board))]
        if not forests:
            continue
        quality = next((column for column in headline if column.value.role == "quality"), headline[0])
        shown.append({
            "condition": condition,
            "forests": forests,
            "cost": against_cost(quality, speed, board) if speed else None,
            "spans": spans(headline, board),
            "strips": strips(quality, board.scores, board),
        })  # fmt: skip
    return shown


def forest(column: Column, board: Board) -> dict[str, Any] | None:
    """A row per system, best first, then a row and a band per anchor; None if only anchors have values."""
    cells = _known(column)
    if all(_is_anchor(name, board) for name in cells):
        return None
    order = sorted(cells, key=lambda name: (_is_anchor(name, board), _best_first(column, cells[name])))
    scale = scale_over(
        [bound for entry in cells.values() for bound in _interval(entry)],
        left_of([marked(name, board.plan) for name in order]),
    )
    return {
        "label": header(column.value),
        "value": column.value.name,
        "height": TOP + ROW * len(order) + BOTTOM,
        "ticks": ticks_of(scale),
        "rows": [_mark(name, cells[name], scale, index, column, board) for index, name in enumerate(order)],
        "bottom": TOP + ROW * len(order),
    }


def strips(column: Column, scores: Sequence[PairedScores], board: Board) -> dict[str, Any] | None:
    """A row for each system with a mark for each clip; None for more than `MOST_CLIPS` clips."""
    mine = next((s for s in scores if (s.condition, s.value.name) == (column.condition, column.value.name)), None)
    if mine is None or len(mine.clips) > MOST_CLIPS:
        return None
    cells = _known(column)
    order = sorted((n for n in cells if n in mine.systems), key=lambda name: _best_first(column, cells[name]))
    numbers = dict(zip(mine.systems, mine.per_clip(), strict=True))
    finite = [float(x) for name in order for x in numbers[name] if math.isfinite(x)]
    if not finite:
        return None
    scale = scale_over(finite, left_of([marked(name, board.plan) for name in order]))
    rows = [
        {
            "name": cut(marked(name, board.plan)),
            "system": name,
            "y": y_of(index),
            "clips": [
                {"id": f"{column.condition}/{clip}", "value": float(x), "x": scale(float(x))}
                for clip, x in zip(mine.clips, numbers[name], strict=True)
                if math.isfinite(x)
            ],
        }
        for index, name in enumerate(order)
    ]
    bottom = TOP + ROW * len(order)
    return {
        "label": header(column.value), "value": column.value.name, "decimals": column.value.decimals, "rows": rows,
        "ticks": ticks_of(scale), "bottom": bottom, "height": bottom + BOTTOM,
    }  # fmt: skip


def against_cost(quality: Column, speed: Column, board: Board) -> dict[str, Any] | None:
    """Quality against the logarithm of the real-time factor, a mark per timed system; None for fewer than two."""
    cells, rtfs = _known(quality), _known(speed)
    names = [n for n in cells if n in rtfs and (rtfs[n].cell.value or 0) > 0]
    if len(names) < 2:
        return None
    height = TOP + ROW * max(8, len(names))
    decades = [math.log10(rtfs[name].cell.value or 1) for name in names]
    across = Scale(math.floor(min(decades)), max(math.ceil(max(decades)), math.floor(min(decades)) + 1), 34, WIDTH - 90)
    bounds = [bound for name in names for bound in _interval(cells[name])]
    up = Scale(*_range(bounds), height, TOP)
    marks = []
    for name, decade in zip(names, decades, strict=True):
        low, high = _interval(cells[name])
        marks.append({
            "name": cut(name), "system": name, "x": across(decade), "y": up(cells[name].cell.value or 0.0),
            "low": up(low), "high": up(high), "value": cells[name].cell.value, "rtf": rtfs[name].cell.value,
        })  # fmt: skip
    return {
        "label": quality.value.label, "value": quality.value.name, "marks": _labelled(marks), "height": height + BOTTOM,
        "bottom": height,
        "across": [{"x": across(n), "text": f"{10.0**n:g}"} for n in range(int(across.low), int(across.high) + 1)],
        "up": [{"y": up(tick), "text": f"{tick:g}"} for tick in up.ticks()],
    }  # fmt: skip


def spans(headline: Sequence[Column], board: Board) -> list[dict[str, Any]]:
    """Per system and value: the percentage of the difference between unprocessed and target that the system reaches.

    A value is left out if the interval of the difference between these anchors contains 0.
    """
    usable = [column for column in headline if _apart(column, board.scores)]
    rows = []
    for name in board.plan.systems:
        if name in _ENDS:
            continue
        shares = [_share(column, name) for column in usable]
        if any(share is not None for share in shares):
            shown = [
                None if s is None else {"text": f"{s:.0f} %", "width": round(min(max(s, 0.0), 100.0))} for s in shares
            ]
            rows.append({"system": name, "name": marked(name, board.plan), "cells": shown, "shares": shares})
    return [{"labels": [column.value.label for column in usable], "rows": rows}] if rows else []


_ENDS = ("unprocessed", "target")


def _apart(column: Column, scores: Sequence[PairedScores]) -> bool:
    """Whether the interval of the anchors' difference excludes 0; a share of a difference near 0 is meaningless."""
    mine = next((s for s in scores if (s.condition, s.value.name) == (column.condition, column.value.name)), None)
    tested = mine.difference(*_ENDS) if mine else None
    interval = tested.difference.interval if tested else None
    return interval is not None and not interval.low <= 0 <= interval.high


def _share(column: Column, name: str) -> float | None:
    low, high = (column.entries[end].cell.value for end in _ENDS)
    entry = column.entries.get(name)
    if entry is None or entry.cell.value is None or low is None or high is None or low == high:
        return None
    return 100 * (entry.cell.value - low) / (high - low)


def _known(column: Column) -> dict[str, Entry]:
    return {name: entry for name, entry in column.entries.items() if entry.cell.value is not None}


def _is_anchor(name: str, board: Board) -> bool:
    return board.plan.system_cards[name].kind == "anchor"


def _best_first(column: Column, entry: Entry) -> float:
    return -(entry.cell.value or 0.0) if column.value.direction == "higher" else (entry.cell.value or 0.0)


def _interval(entry: Entry) -> tuple[float, float]:
    """The bounds of the 95 % interval; a missing bound is replaced by the mean."""
    mean = entry.cell.value or 0.0
    return (mean if entry.cell.low is None else entry.cell.low, mean if entry.cell.high is None else entry.cell.high)


def _range(numbers: Sequence[float]) -> tuple[float, float]:
    low, high = min(numbers), max(numbers)
    space = 0.04 * (high - low) or 0.5
    return low - space, high + space


def left_of(names: Sequence[str]) -> float:
    """The x coordinate at which the rows' labels end."""
    return 8 + LETTER * min(LONGEST, max(len(name) for name in names))


def scale_over(numbers: Sequence[float], left: float) -> Scale:
    return Scale(*_range(numbers), left, WIDTH - 34)


def y_of(index: int) -> float:
    return TOP + ROW * (index + 0.5)


def cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def ticks_of(scale: Scale) -> list[dict[str, Any]]:
    return [{"x": scale(tick), "text": f"{tick:g}"} for tick in scale.ticks()]


def _mark(
    name: str, entry: Entry, scale: Callable[[float], float], index: int, column: Column, board: Board
) -> dict[str, Any]:
    low, high = _interval(entry)
    number = entry.cell.value or 0.0
    return {
        "system": name,
        "anchor": _is_anchor(name, board),
        "name": cut(marked(name, board.plan)),
        "text": f"{number:.{column.value.decimals}f}",
        "letters": entry.ties,
        "best": entry.winner,
        "value": number,
        "low": entry.cell.low,
        "high": entry.cell.high,
        "x": scale(number),
        "from": scale(low),
        "to": scale(high),
        "y": y_of(index),
    }


def _labelled(marks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds to each mark the y coordinate of its label, chosen so that the labels of nearby marks do not overlap."""
    taken: list[tuple[float, float]] = []
    for mark in sorted(marks, key=lambda mark: float(mark["y"])):
        label_y = float(mark["y"]) + 4
        while any(abs(label_y - y) < 11 and abs(mark["x"] - x) < 110 for x, y in taken):
            label_y += 1
        taken.append((mark["x"], label_y))
        mark["label_y"] = round(label_y, 1)
    return marks
