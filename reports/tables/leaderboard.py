"""The leaderboard: every cell with its interval, the ranks that it leaves open, tie groups, and winners that are sure.

Anchors are shown and not ranked; neither is a system with a hole of its own in a column, whose mean is over other clips
than the others'. A clip that has no value for any system is no hole. Pairs are tested on their common clips, and
corrected over the column (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import pairs, pairwise
from restorebench.benchmark.analysis.resampling import Draws
from restorebench.benchmark.analysis.significance import ALPHA, compact_letter_display, holm, ranks
from restorebench.benchmark.contracts import SystemCard, Value
from restorebench.benchmark.types import Cell


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
    """A column per condition and planned value, in the order of conditions and metrics."""
    draws: dict[str, Draws] = {}
    paired = {(scores.condition, scores.value.name): scores for scores in board.scores}
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in board.cells:
        cells.setdefault((cell.condition, cell.value_name), {})[cell.system] = cell
    made = []
    for condition in dict.fromkeys(trial.condition for trial in board.plan.trials):
        for value in board.values():
            mine, scores = cells.get((condition, value.name), {}), paired.get((condition, value.name))
            if scores:
                shared = draws.setdefault(condition, scores.draws())
                made.append(column(scores, mine, board.plan.system_cards, shared))
            elif mine:
                made.append(Column(condition, value, {system: Entry(cell) for system, cell in mine.items()}))
    return made


def column(scores: PairedScores, cells: Mapping[str, Cell], cards: Mapping[str, SystemCard], draws: Draws) -> Column:
    """The column of paired scores and the cells that sum them up."""
    entries = {system: Entry(cell) for system, cell in cells.items()}
    known = np.isfinite(scores.sample.numerator)
    anybody = known.any(axis=0)
    ranked = [
        row
        for row, system in enumerate(scores.systems)
        if cards[system].kind != "anchor" and known[row, anybody].all() and _whole(cells[system], known[row])
    ]
    if len(ranked) < 2:
        return Column(scores.condition, scores.value, entries)
    return _ranked(scores, ranked, entries, draws)


def _whole(cell: Cell, known: NDArray[np.bool_]) -> bool:
    """Whether every seed of the known clips has a value."""
    return cell.n * len(known) == cell.planned * int(known.sum())


def _ranked(scores: PairedScores, rows: Sequence[int], entries: Mapping[str, Entry], draws: Draws) -> Column:
    found = pairwise(scores.sample, [(rows[a], rows[b]) for a, b in pairs(len(rows))], draws)
    corrected = dict(zip(found, holm([difference.p for difference in found.values()]), strict=True))
    separated = {(rows.index(a), rows.index(b)) for (a, b), p in corrected.items() if p < ALPHA}
    higher = scores.value.direction == "higher"
    above = np.zeros((len(rows), len(rows)), dtype=bool)
    for a, b in separated:
        up = (found[rows[a], rows[b]].value > 0) == higher
        above[(a, b) if up else (b, a)] = True
    places = ranks(above)
    made = dict(entries)
    for place, (row, ties) in enumerate(zip(rows, compact_letter_display(len(rows), separated), strict=True)):
        system = scores.systems[row]
        made[system] = replace(
            entries[system], rank=places[place], ties=ties, winner=bool(above[place].sum() == len(rows) - 1)
        )
    typical = float(np.median([difference.detectable for difference in found.values()])) * scores.factor
    return Column(scores.condition, scores.value, made, typical if np.isfinite(typical) else None)
