"""Shaded tables of systems by conditions; the HTML element of each cell has its number as an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.types import Cell
from restorebench.reports.tables.board import header, marked
from restorebench.reports.tables.leaderboard import Column


def by_condition(board: Board, shown: Sequence[Column]) -> list[dict[str, Any]]:
    """A table for each headline value with at least two scored conditions, shaded from its worst to its best cell.

    Empty for a suite with one condition.
    """
    conditions = list(dict.fromkeys(trial.condition for trial in board.plan.trials))
    tables = []
    for value in dict.fromkeys(column.value for column in shown if column.value.headline) if conditions[1:] else ():
        columns = {column.condition: column for column in shown if column.value == value}
        cells = {
            (system, condition): entry.cell
            for condition, column in columns.items()
            for system, entry in column.entries.items()
        }
        means = [cell.value for cell in cells.values() if cell.value is not None]
        if len(columns) < 2 or not means:
            continue
        worst, best = min(means), max(means)
        if value.direction == "lower":
            worst, best = best, worst
        rows = [
            {
                "system": system,
                "name": marked(system, board.plan),
                "cells": [shaded(cells.get((system, c)), worst, best, value.decimals) for c in columns],
            }
            for system in board.plan.systems
            if any((system, condition) in cells for condition in columns)
        ]
        tables.append({"label": header(value), "value": value.name, "conditions": list(columns), "rows": rows})
    return tables


def shaded(cell: Cell | None, worst: float, best: float, decimals: int) -> dict[str, Any] | None:
    """A cell's number, its position from worst (0 %) to best (100 %), and n=scored/planned if values are missing."""
    if cell is None or cell.value is None:
        return None
    share = 0.0 if best == worst else (cell.value - worst) / (best - worst)
    few = f"n={cell.n}/{cell.planned}" if cell.n < cell.planned else ""
    return {"mean": cell.value, "text": f"{cell.value:.{decimals}f}", "share": round(100 * share), "few": few}
