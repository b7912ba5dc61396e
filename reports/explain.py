"""Breakdowns as tables, and in words: which factor goes with the gap between two systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restorebench.benchmark.samples import Scores
from restorebench.benchmark.stats import holm
from restorebench.benchmark.types import Table
from restorebench.reports.board import DASH
from restorebench.reports.breakdown import Breakdown, Facts, Gap, breakdowns, gaps
from restorebench.reports.leaderboard import Column

SURE = 0.05
EXPLAINS = (
    "explains: the share of the variance between clips that goes with the factor (a straight line in a number, a mean "
    "per speaker; R squared, adjusted)"
)
GAP = "A gap depends on a factor where the F test, corrected over all rows (Holm), says so; clips taken as independent"
BEHIND = ("value", "gap", "factor", "explains", "p", "where")
TELLING = ("dnsmos.ovl", "wer", "cer", "lsd", "spk_sim", "sim_o")
"""Values that are broken down, whatever their backend: quality, intelligibility, voice."""


def telling(everything: Sequence[Scores]) -> list[Scores]:
    """The values that are broken down; a condition that has none of them shows its first."""
    chosen = []
    for condition in dict.fromkeys(scores.condition for scores in everything):
        here = [scores for scores in everything if scores.condition == condition]
        named = [s for s in here if s.value.name.partition("@")[0] in TELLING and "@mean" not in s.value.name]
        chosen += named or here[:1]
    return chosen


def breakdown_tables(everything: Sequence[Scores], facts: Mapping[str, Facts]) -> list[tuple[Breakdown, Table]]:
    return [(found, _table(found)) for scores in telling(everything) for found in breakdowns(scores, facts)]


def _table(found: Breakdown) -> Table:
    heads = [f"{text} (n={count})" for text, count in zip(found.bins, found.clips, strict=True)]
    rows = []
    for system, means in found.means.items():
        shown = (DASH if mean is None else f"{mean:.{found.decimals}f}" for mean in means)
        rows.append((system, *shown, f"{100 * found.explained[system].share:.0f} %"))
    title = f"{found.label} by {found.factor}: {found.condition}"
    return Table(title, ("system", *heads, "explains"), tuple(rows), (EXPLAINS,))


def behind_the_best(
    everything: Sequence[Scores], found: Sequence[Column], facts: Mapping[str, Facts]
) -> list[Table]:  # fmt: skip
    """What each ranked system's gap to the best one of its column depends on: a table per condition."""
    best = {(column.condition, column.value.name): _best(column) for column in found}
    made = []
    for condition in dict.fromkeys(scores.condition for scores in everything):
        rows = []
        for scores in telling([s for s in everything if s.condition == condition]):
            for system, leader in best[condition, scores.value.name]:
                rows += [(scores, f"{system} – {leader}", gap) for gap in gaps(scores, facts, system, leader)]
        told = said(rows)
        if rows:
            none = f"no gap to the best system depends on {names(rows)}"
            made.append(Table(condition, BEHIND, told, (GAP, EXPLAINS) if told else (none, GAP)))
    return made


def _best(column: Column) -> list[tuple[str, str]]:
    """(system, leader) for every ranked system but the leader."""
    ranked = {system: entry.cell.value or 0.0 for system, entry in column.entries.items() if entry.rank}
    if len(ranked) < 2:
        return []
    leader = (max if column.value.direction == "higher" else min)(ranked, key=lambda system: ranked[system])
    return [(system, leader) for system in ranked if system != leader]


def said(rows: Sequence[tuple[Scores, str, Gap]]) -> tuple[tuple[str, ...], ...]:
    """The (value, systems, gap) whose factor matters: value, systems, factor, share, p, and the gap in each bin."""
    corrected = holm([gap.explained.p for _, _, gap in rows])
    sure = [(*row, float(p)) for row, p in zip(rows, corrected, strict=True) if p < SURE]
    return tuple(
        (
            scores.value.label,
            systems,
            gap.factor,
            f"{100 * gap.explained.share:.0f} %",
            "< 0.001" if p < 0.001 else f"{p:.3f}",
            "; ".join(
                f"{difference:+.{scores.value.decimals}f} at {text}"
                for text, difference in zip(gap.bins, gap.differences, strict=True)
                if difference is not None
            ),
        )
        for scores, systems, gap, p in sure
    )


def names(rows: Sequence[tuple[Scores, str, Gap]]) -> str:
    """The factors that were tested, in words."""
    tested = list(dict.fromkeys(gap.factor for _, _, gap in rows))
    return " or ".join((", ".join(tested[:-1]), tested[-1])) if len(tested) > 1 else tested[0]
