"""The leaderboard: every cell with its interval, the ranks that it leaves open, tie groups, and winners that are sure.

Anchors are shown and not ranked; neither is a system with a hole of its own in a column, whose mean is over other clips
than the others'. A clip that has no value for any system is no hole. Cost is shown and not ranked: it is measured once
for a batch of clips, on this machine. Pairs are tested on their common clips, and corrected over all pairs of the
column, anchors among them (Holm): `PairedScores.differences`, the same for every page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores, Tested
from restorebench.benchmark.analysis.paired_tests import pairs
from restorebench.benchmark.analysis.significance import compact_letter_display, ranks
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
    """The true difference that half of the ranked pairs would show with 80 % power, whatever the other pairs show; None
    when fewer than two systems are ranked, or their clips are too few to show any. In the value's unit."""
    pairs: int = 0
    """How many pairs the column's p values are corrected over."""


def columns(board: Board) -> list[Column]:
    """A column per condition and planned value, in the order of conditions and metrics."""
    paired = {(scores.condition, scores.value.name): scores for scores in board.scores}
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in board.cells:
        cells.setdefault((cell.condition, cell.value_name), {})[cell.system] = cell
    listed = []
    for condition in dict.fromkeys(trial.condition for trial in board.plan.trials):
        for value in board.values():
            mine, scores = cells.get((condition, value.name), {}), paired.get((condition, value.name))
            if scores:
                listed.append(column(scores, mine, board.plan.system_cards))
            elif mine:
                listed.append(Column(condition, value, {system: Entry(cell) for system, cell in mine.items()}))
    return listed


def column(scores: PairedScores, cells: Mapping[str, Cell], cards: Mapping[str, SystemCard]) -> Column:
    """The column of paired scores and the cells that sum them up."""
    entries = {system: Entry(cell) for system, cell in cells.items()}
    known = np.isfinite(scores.sample.numerator)
    anybody = known.any(axis=0)
    ranked = [
        row
        for row, system in enumerate(scores.systems if scores.tested else ())
        if cards[system].kind != "anchor"
        and cells[system].value is not None
        and known[row, anybody].all()
        and _whole(cells[system], known[row])
    ]
    if len(ranked) < 2:
        return Column(scores.condition, scores.value, entries)
    return _ranked(scores, ranked, entries)


def _whole(cell: Cell, known: NDArray[np.bool_]) -> bool:
    """Whether every seed of the known clips has a value."""
    return cell.n * len(known) == cell.planned * int(known.sum())


def _ranked(scores: PairedScores, rows: Sequence[int], entries: Mapping[str, Entry]) -> Column:
    names = [scores.systems[row] for row in rows]
    tests = {(a, b): scores.differences[names[a], names[b]] for a, b in pairs(len(rows))}
    separated = {pair for pair, tested in tests.items() if tested.separated}
    higher = scores.value.direction == "higher"
    above = np.zeros((len(rows), len(rows)), dtype=bool)
    for a, b in separated:
        up = (tests[a, b].difference.value > 0) == higher
        above[(a, b) if up else (b, a)] = True
    places = ranks(above)
    ranked = dict(entries)
    for index, (system, ties) in enumerate(zip(names, compact_letter_display(len(rows), separated), strict=True)):
        ranked[system] = replace(
            entries[system], rank=places[index], ties=ties, winner=bool(above[index].sum() == len(rows) - 1)
        )
    shown = _detectable(scores, list(tests.values()))
    return Column(scores.condition, scores.value, ranked, shown, len(scores.differences))


def _detectable(scores: PairedScores, tests: Sequence[Tested]) -> float | None:
    shown = [tested.difference.detectable(tested.level) for tested in tests]
    known = [number for number in shown if number is not None and np.isfinite(number)]
    return float(np.median(known)) * scores.factor if known and len(known) == len(shown) else None
