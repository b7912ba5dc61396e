"""The leaderboard: every cell with its interval, the ranks that it leaves open, tie groups, and winners that are sure.

Anchors are shown and not ranked; neither is a system with a hole in a column, whose mean is over other clips. Pairs are
tested on the clips that all ranked systems of the column share, and corrected over the column (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from restorebench.benchmark.aggregate import Board
from restorebench.benchmark.contracts import SystemCard, Value
from restorebench.benchmark.samples import Scores
from restorebench.benchmark.stats import Draws, holm, letters, pairs, pairwise, ranks
from restorebench.benchmark.types import Cell

SURE = 0.05


@dataclass(frozen=True)
class Entry:
    """A cell and its place among the others of its column."""

    cell: Cell
    rank: tuple[int, int] | None = None
    """Best and worst rank that the clips leave open; None when it is not ranked."""
    ties: str = ""
    """Systems that share a letter cannot be told apart."""
    winner: bool = False
    """Significantly better than every other ranked system."""


@dataclass(frozen=True)
class Column:
    condition: str
    value: Value
    entries: Mapping[str, Entry]
    detectable: float | None = None
    """The true difference that half of the ranked pairs would show with 80 % power, before correction; None when
    fewer than two systems are ranked. In the value's unit."""


def columns(board: Board) -> list[Column]:
    """A column per condition and value with at least one number."""
    shared: dict[str, Draws] = {}
    made = []
    for scores in board.scores:
        cells = {
            cell.system: cell
            for cell in board.cells
            if (cell.condition, cell.value_name) == (scores.condition, scores.value.name)
        }
        draws = shared.setdefault(scores.condition, scores.draws())
        made.append(column(scores, cells, board.plan.system_cards, draws))
    return made


def column(scores: Scores, cells: Mapping[str, Cell], cards: Mapping[str, SystemCard], draws: Draws) -> Column:
    """The column of paired scores and the cells that sum them up."""
    entries = {system: Entry(cell) for system, cell in cells.items()}
    ranked = [
        row
        for row, system in enumerate(scores.systems)
        if cards[system].kind != "anchor" and cells[system].n == cells[system].planned
    ]
    if len(ranked) < 2:
        return Column(scores.condition, scores.value, entries)
    return _ranked(scores, ranked, entries, draws)


def _ranked(scores: Scores, rows: Sequence[int], entries: Mapping[str, Entry], draws: Draws) -> Column:
    found = pairwise(scores.sample, [(rows[a], rows[b]) for a, b in pairs(len(rows))], draws)
    corrected = dict(zip(found, holm([difference.p for difference in found.values()]), strict=True))
    separated = {(rows.index(a), rows.index(b)) for (a, b), p in corrected.items() if p < SURE}
    higher = scores.value.direction == "higher"
    above = np.zeros((len(rows), len(rows)), dtype=bool)
    for a, b in separated:
        up = (found[rows[a], rows[b]].value > 0) == higher
        above[(a, b) if up else (b, a)] = True
    places = ranks(above)
    made = dict(entries)
    for place, (row, ties) in enumerate(zip(rows, letters(len(rows), separated), strict=True)):
        system = scores.systems[row]
        made[system] = replace(
            entries[system], rank=places[place], ties=ties, winner=bool(above[place].sum() == len(rows) - 1)
        )
    typical = float(np.median([difference.detectable for difference in found.values()])) * scores.factor
    return Column(scores.condition, scores.value, made, typical if np.isfinite(typical) else None)
