"""How a system's values develop over its checkpoints: `NAME@FILE` for several files, in the order of training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from restorebench.benchmark import registry
from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.change_points import LEVEL, change_points
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Table
from restorebench.reports.tables.board import DASH, header

COLUMNS = ("checkpoint", "step", "value", "95 % interval", "change", "95 % interval of the change", "shift")


def trends(board: Board, values: list[str] | None = None) -> list[Table]:
    """One table per series, condition and value. A row has a checkpoint's value, its change, and a shift of the level.

    Args:
        board: The board of a store in which one system was measured with several checkpoints.
        values: Names of values; default: the headline values, or all values if none is a headline value.

    Raises:
        RequestError: No system has two checkpoints in the store, or a value has no trend.
    """
    by_run = series(board.plan.system_cards)
    if not by_run:
        raise RequestError(
            "no system has several checkpoints here; run one with: restorebench run SUITE --systems NAME "
            "--checkpoints 'runs/*/step-*.safetensors' --store STORE"
        )
    tested = [scores for scores in board.scores if scores.tested]
    known = list(dict.fromkeys(scores.value.name for scores in tested))
    if absent := [name for name in values or () if name not in known]:
        raise RequestError(f"{absent[0]} has no trend here; values with a trend: {', '.join(known)}")
    shown = [s for s in tested if (s.value.name in values if values else s.value.headline)] or tested
    return [
        _table(name, checkpoints, scores)
        for name, checkpoints in by_run.items()
        for scores in shown
        if sum(system in scores.systems for system in checkpoints) > 1
    ]


def series(cards: Mapping[str, SystemCard]) -> dict[str, dict[str, int]]:
    """Maps each series to the full names of its checkpoints and their steps, in the order of training.

    The checkpoints of a series belong to one system with one set of options, and their paths differ only in the last
    number, as in `runs/a/step-200.safetensors`; different training runs are therefore different series. The step is
    read from the checkpoint's header; if the header has none, it is the last number of the path.
    """
    grouped: dict[str, dict[str, int]] = {}
    for name, card in cards.items():
        base, arguments = registry.parse_name("systems", name)
        path, number = _numbered(str(arguments.get("checkpoint", "")))
        if card.kind == "system" and number is not None:
            options = name.partition("?")[2]
            title = f"{base}@{path}{'?' * bool(options)}{options}"
            grouped.setdefault(title, {})[name] = number if card.steps is None else card.steps
    return {
        title: dict(sorted(steps.items(), key=lambda item: (item[1], item[0])))
        for title, steps in grouped.items()
        if len(steps) > 1
    }


def by_number(paths: list[Path]) -> list[Path]:
    """Files in the order of the last number in their paths; files without one come first."""
    return sorted(paths, key=lambda path: (_numbered(str(path))[1] or 0, str(path)))


def _numbered(path: str) -> tuple[str, int | None]:
    """The path with # in place of its last number, and that number; the path itself and None if it has no number."""
    suffix = Path(path).suffix
    stem = path.removesuffix(suffix)
    numbers = list(re.finditer(r"\d+", stem))
    if not numbers:
        return path, None
    start, end = numbers[-1].span()
    return f"{stem[:start]}#{stem[end:]}{suffix}", int(numbers[-1][0])


def _table(name: str, checkpoints: Mapping[str, int], scores: PairedScores) -> Table:
    order = [system for system in checkpoints if system in scores.systems]
    measured = [system for system in order if scores.known(system)]
    indices = [scores.systems.index(system) for system in measured]
    sample = replace(
        scores.sample, numerator=scores.sample.numerator[indices], denominator=scores.sample.denominator[indices]
    )
    shifts = {measured[point.place]: point for point in change_points(sample)}
    decimals = scores.value.decimals
    rows = []
    for position, system in enumerate(order):
        mean, low, high = scores.summary(system)
        change, interval = _change(scores, order[position - 1], system) if position else ("", "")
        point = shifts.get(system)
        rows.append((
            str(registry.parse_name("systems", system)[1]["checkpoint"]),
            str(checkpoints[system]),
            DASH if mean is None else f"{mean:.{decimals}f}",
            DASH if low is None or high is None else f"{low:.{decimals}f} to {high:.{decimals}f}",
            change,
            interval,
            f"{point.shift * scores.factor:+.{decimals}f} (p = {point.p:.1g})" if point else "",
        ))  # fmt: skip
    common = int(sample.common(range(len(measured))).sum())
    notes = (
        "change: against the checkpoint before, on the same clips; *: significant after Holm's correction",
        f"shift: change of the mean at this checkpoint (binary segmentation, p < {LEVEL:g}, Bonferroni-corrected), "
        f"on the {common} clips that have a value for every measured checkpoint",
    )
    title = f"{name}: {header(scores.value)}, {scores.condition} ({len(scores.clips)} clips)"
    return Table(title, COLUMNS, tuple(rows), notes)


def _change(scores: PairedScores, before: str, after: str) -> tuple[str, str]:
    tested = scores.difference(after, before)
    if tested is None:
        return DASH, DASH
    estimate, decimals, factor = tested.difference, scores.value.decimals, scores.factor
    shown = f"{estimate.value * factor:+.{decimals}f}{'*' * tested.separated}"
    if estimate.interval is None:
        return shown, DASH
    return shown, f"{estimate.interval.low * factor:+.{decimals}f} to {estimate.interval.high * factor:+.{decimals}f}"
