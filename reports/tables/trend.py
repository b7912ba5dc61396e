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
    """A table per series, condition and value: each checkpoint, its change from the one before, and shifts.

    Args:
        board: Of a store in which one system was measured with several checkpoints.
        values: Names of values; default: the headline values, or all values where there is none.

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
        raise RequestError(f"{absent[0]} has no trend here; values that have: {', '.join(known)}")
    shown = [s for s in tested if (s.value.name in values if values else s.value.headline)] or tested
    return [
        _table(name, checkpoints, scores)
        for name, checkpoints in by_run.items()
        for scores in shown
        if sum(system in scores.systems for system in checkpoints) > 1
    ]


def series(cards: Mapping[str, SystemCard]) -> dict[str, dict[str, int]]:
    """Series -> its checkpoints' full names in the order of training, with their steps.

    The checkpoints of a series are of one system with one set of options, and their paths differ in the last number
    alone, as in `runs/a/step-200.safetensors`; so different training runs are different series. The step is that
    of the checkpoint's header, or the last number of the path where the header has none.
    """
    grouped: dict[str, dict[str, int]] = {}
    for name, card in cards.items():
        base, given = registry.parse_name("systems", name)
        path, number = _numbered(str(given.get("checkpoint", "")))
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
    """A path with # for its last number, and that number."""
    suffix = Path(path).suffix
    stem = path.removesuffix(suffix)
    found = list(re.finditer(r"\d+", stem))
    if not found:
        return path, None
    start, end = found[-1].span()
    return f"{stem[:start]}#{stem[end:]}{suffix}", int(found[-1][0])


def _table(name: str, checkpoints: Mapping[str, int], scores: PairedScores) -> Table:
    order = [system for system in checkpoints if system in scores.systems]
    whole = [system for system in order if scores.known(system)]
    rows_of = [scores.systems.index(system) for system in whole]
    sample = replace(
        scores.sample, numerator=scores.sample.numerator[rows_of], denominator=scores.sample.denominator[rows_of]
    )
    shifts = {whole[point.place]: point for point in change_points(sample)}
    decimals = scores.value.decimals
    rows = []
    for place, system in enumerate(order):
        mean, low, high = scores.summary(system)
        change, interval = _change(scores, order[place - 1], system) if place else ("", "")
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
    common = int(sample.common(range(len(whole))).sum())
    notes = (
        "change: against the checkpoint before, on the same clips; *: significant after Holm's correction",
        f"shift: the level before and after differs (binary segmentation, p < {LEVEL:g} corrected over its places), "
        f"on the {common} clips that every checkpoint with values has",
    )
    title = f"{name}: {header(scores.value)}, {scores.condition} ({len(scores.clips)} clips)"
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
