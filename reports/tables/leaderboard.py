"""The leaderboard: every cell with its interval, its possible ranks, its tie letters, and whether it is a winner.

Anchors are shown but not ranked. A system with missing values in a column is not ranked there, because its mean is over
other clips; a clip without a value for any system does not count as missing. Cost is shown but not ranked: it is
measured once for a batch of clips, on this machine. Pairs are tested on their common clips, with Holm's correction over
all pairs of the column, including anchors. All tables and pages take these tests from `PairedScores.differences`.
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
    """Best and worst rank that the tests do not exclude; None when the system is not ranked."""
    ties: str = ""
    """Tie letters: systems that share a letter do not differ significantly."""
    winner: bool = False
    """Significantly better than every other ranked system."""


@dataclass(frozen=True)
class Column:
    condition: str
    value: Value
    entries: Mapping[str, Entry]
    detectable: float | None = None
    """The true difference, in the value's unit, that is significant with 80 % power whatever the p of the other pairs:
    median over the ranked pairs; None when fewer than two systems are ranked, or there are too few clips."""
    pairs: int = 0
    """Number of pairs over which the column's p values are corrected."""


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
    """The column for paired scores and the cells that summarise them."""
    entries = {system: Entry(cell) for system, cell in cells.items()}
    known = np.isfinite(scores.sample.numerator)
    scored_clips = known.any(axis=0)
    ranked = [
        row
        for row, system in enumerate(scores.systems if scores.tested else ())
        if cards[system].kind != "anchor"
        and cells[system].value is not None
        and known[row, scored_clips].all()
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
