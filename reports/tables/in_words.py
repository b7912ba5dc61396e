"""A board in a few sentences: the best system on a headline value, and the systems that do not differ significantly."""

from __future__ import annotations

from collections import Counter

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.plan.plan import Plan
from restorebench.reports.tables.leaderboard import Column, columns

SENTENCES = 3
NAMED = 4
"""Largest number of tied systems that a sentence names."""


def in_words(board: Board) -> list[str]:
    """At most three sentences about ranked systems, one per value; none if fewer than two systems are ranked.

    Conditions with the most clips come first.
    """
    order = by_clips(board.plan)
    headline = [column for column in columns(board) if column.value.headline and column.value.role != "speed"]
    headline.sort(key=lambda column: order.index(column.condition))
    several = len({column.condition for column in headline}) > 1
    sentences = [(column.condition, _sentence(column)) for column in headline]
    shown = [f"{condition}, {text}" if several else text for condition, text in sentences if text]
    return shown[:SENTENCES]


def by_clips(plan: Plan) -> list[str]:
    """The conditions of a plan, those with most clips first; conditions with equal counts keep the plan's order."""
    clips = Counter(trial.condition for trial in plan.trials)
    return sorted(clips, key=lambda condition: -clips[condition])


def _sentence(column: Column) -> str:
    ranked = {name: entry for name, entry in column.entries.items() if entry.rank and entry.cell.value is not None}
    if len(ranked) < 2:
        return ""
    sign = 1 if column.value.direction == "higher" else -1
    best = max(ranked, key=lambda name: sign * (ranked[name].cell.value or 0.0))
    unit = " %" if column.value.unit == "%" else ""
    shown = f"{column.value.label}: {best} ({ranked[best].cell.value:.{column.value.decimals}f}{unit})"
    tied = [name for name, entry in ranked.items() if name != best and set(entry.ties) & set(ranked[best].ties)]
    tied.sort(key=lambda name: -sign * (ranked[name].cell.value or 0.0))
    degraded = _better_unprocessed(column, sign * (ranked[best].cell.value or 0.0), sign, unit)
    if ranked[best].winner:
        return f"{shown} is significantly better than every other ranked system{degraded}"
    names = ", ".join(tied[:NAMED]) + (f" and {len(tied) - NAMED} more" if len(tied) > NAMED else "")
    return f"{shown} is ahead, but on {ranked[best].cell.n} clips it is not significantly better than {names}{degraded}"


def _better_unprocessed(column: Column, best: float, sign: int, unit: str) -> str:
    """A remark where the degraded clips score better than every ranked system, as they often do in error rates."""
    entry = column.entries.get("unprocessed")
    if entry is None or entry.cell.value is None or sign * entry.cell.value <= best:
        return ""
    return f"; unprocessed has {entry.cell.value:.{column.value.decimals}f}{unit}"
