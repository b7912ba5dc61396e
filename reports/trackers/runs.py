"""Runs for an experiment tracker: one per series of checkpoints, or per system without one.

Each measured checkpoint of a series gives its values at its training step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from restorebench.benchmark.analysis.board import Board
from restorebench.reports.tables.trend import series


@dataclass(frozen=True)
class Point:
    """The values at one step of training."""

    step: int
    values: Mapping[str, float]
    """By name. `CONDITION/VALUE`: the mean over the clips, as the board shows it. With `.low` or `.high` appended: an
    end of its 95 % interval. With `.missing` appended: the number of planned values that are not in the mean."""


@dataclass(frozen=True)
class TrackedRun:
    """One run of an experiment tracker."""

    project: str
    """The suite."""
    name: str
    """A system, or a series of checkpoints of one training run."""
    facts: Mapping[str, str]
    """The suite's version and the signature of each value."""
    points: Sequence[Point]
    """In the order of training."""


Write = Callable[[Sequence[TrackedRun], Path], str]
"""Writes runs to a tracker that keeps its files in a folder; returns where they are and how to look at them."""


def tracked_runs(board: Board) -> list[TrackedRun]:
    """The runs of a board. A system without a training step has one point, at step 0."""
    checkpoint_series = series(board.plan.system_cards)
    in_series = {system for checkpoints in checkpoint_series.values() for system in checkpoints}
    single = {name: {name: card.steps or 0} for name, card in board.plan.system_cards.items() if name not in in_series}
    signatures = {cell.value_name: cell.signature for cell in board.cells}
    facts = {"suite": f"{board.plan.suite.name} {board.plan.suite.version}", **signatures}
    runs = []
    for name, systems in (checkpoint_series | single).items():
        points = [Point(step, values_of(board, system)) for system, step in systems.items()]
        if points := [point for point in points if point.values]:
            runs.append(TrackedRun(board.plan.suite.name, name, facts, points))
    return runs


def values_of(board: Board, system: str) -> dict[str, float]:
    """The values of a system. A mean or interval that a cell lacks is left out; `.missing` is always there."""
    values: dict[str, float] = {}
    for cell in board.cells:
        if cell.system == system:
            numbers = {"": cell.value, ".low": cell.low, ".high": cell.high, ".missing": float(cell.planned - cell.n)}
            name = f"{cell.condition}/{cell.value_name}"
            values |= {name + suffix: number for suffix, number in numbers.items() if number is not None}
    return values
