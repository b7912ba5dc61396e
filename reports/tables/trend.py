"""How a system's values develop over its checkpoints: `NAME@FILE` for several files, in the order of training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.change_points import LEVEL, change_points
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Table
from restorebench.reports.tables.board import DASH, header

COLUMNS = ("checkpoint", "step", "value", "95 % interval", "change", "95 % interval of the change", "shift")


def trends(board: Board, values: list[str] | None = None) -> list[Table]:
    """A table per series, condition and value: each checkpoint, its change from the one before, and shifts.

    Args:
        board: Of a store in which one system was measured with several checkpoints.
        values: Names of values; default: those that reports show first.

    Raises:
        RequestError: No system has two checkpoints in the store, or a value was not measured.
    """
    found = series(board.plan.system_cards)
    if not found:
        raise RequestError(
            "no system has several checkpoints here; run one with: restorebench run SUITE --systems NAME "
            "--checkpoints 'runs/*/step-*.safetensors' --store STORE"
        )
    known = list(dict.fromkeys(scores.value.name for scores in board.scores))
    if absent := [name for name in values or () if name not in known]:
        raise RequestError(f"no values of {absent[0]}; the store has {', '.join(known)}")
    shown = [s for s in board.scores if s.tested and (s.value.name in values if values else s.value.headline)]
    return [
        _table(name, checkpoints, scores)
        for name, checkpoints in found.items()
        for scores in shown
        if sum(system in scores.systems for system in checkpoints) > 1
    ]


def series(cards: Mapping[str, SystemCard]) -> dict[str, dict[str, int | None]]:
    """Base name (with its options) -> its checkpoints' full names in the order of training, with their steps.

    A step is the one that the checkpoint's header says, otherwise the last number in the file's name.
    """
    grouped: dict[str, dict[str, int | None]] = {}
    for name, card in cards.items():
        base, at, rest = name.partition("@")
        file, mark, options = rest.partition("?")
        if at:
            grouped.setdefault(base + mark + options, {})[name] = card.steps or _number(file)
    return {
        base: dict(sorted(steps.items(), key=lambda item: (item[1] or 0, item[0])))
        for base, steps in grouped.items()
        if len(steps) > 1
    }


def by_number(paths: list[Path]) -> list[Path]:
    """Files in the order of the last number in their names, then by name."""
    return sorted(paths, key=lambda path: (_number(path.name) or 0, str(path)))


def _number(file: str) -> int | None:
    numbers = re.findall(r"\d+", Path(file).stem)
    return int(numbers[-1]) if numbers else None


def _table(name: str, checkpoints: Mapping[str, int | None], scores: PairedScores) -> Table:
    order = [system for system in checkpoints if system in scores.systems]
    numbers = scores.per_clip()[[scores.systems.index(system) for system in order]]
    shifts = {point.place: point for point in change_points(numbers, scores.sample.cluster)}
    decimals = scores.value.decimals
    rows = []
    for place, system in enumerate(order):
        mean, low, high = scores.summary(system)
        change, interval = _change(scores, order[place - 1], system) if place else ("", "")
        point = shifts.get(place)
        rows.append((
            system.partition("@")[2],
            DASH if checkpoints[system] is None else str(checkpoints[system]),
            DASH if mean is None else f"{mean:.{decimals}f}",
            DASH if low is None or high is None else f"{low:.{decimals}f} to {high:.{decimals}f}",
            change,
            interval,
            f"{point.shift:+.{decimals}f} (p = {point.p:.1g})" if point else "",
        ))  # fmt: skip
    title = f"{name}: {header(scores.value)}, {scores.condition} ({len(scores.clips)} clips)"
    notes = (
        "change: against the checkpoint before, on the same clips; *: significant after Holm's correction",
        f"shift: the level before and after differs (binary segmentation, p < {LEVEL:g} corrected over its places)",
    )
    return Table(title, COLUMNS, tuple(rows), notes)


def _change(scores: PairedScores, before: str, after: str) -> tuple[str, str]:
    tested = scores.difference(after, before)
    if tested is None:
        return DASH, DASH
    found, decimals, factor = tested.difference, scores.value.decimals, scores.factor
    shown = f"{found.value * factor:+.{decimals}f}{'*' * tested.separated}"
    if found.interval is None:
        return shown, DASH
    return shown, f"{found.interval.low * factor:+.{decimals}f} to {found.interval.high * factor:+.{decimals}f}"
