"""Breakdowns as tables, and the factors on which the gap between two systems depends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.significance import ALPHA, holm
from restorebench.benchmark.types import Cell, Table
from restorebench.reports.tables.board import DASH
from restorebench.reports.tables.breakdown import Breakdown, Facts, Gap, breakdowns, gaps
from restorebench.reports.tables.leaderboard import Column

EXPLAINS = (
    "explains: the share of the variance between clips that the factor explains (adjusted R squared of a straight line "
    "in a number, or of a mean per speaker)"
)
GAP = "A gap depends on a factor if the F test is significant (Holm over all rows; clips treated as independent)"
NOMINAL = {
    "SNR": "by the corruption's own law of levels, which need not be a ratio of powers",
    "T60": "of the room; the measured decay time is 0.5 to 1.3 times this value",
    "bandwidth": "cutoff frequency of the filter; the measured -6 dB point is at 0.7 to 1.5 times this value",
    "level": "of speech and noise together before clipping; the measured level is up to 5 dB lower",
}
"""Factors whose value is drawn, not measured -> how the value is defined, or how measurements on clips differ."""
BEHIND = ("value", "gap", "factor", "explains", "p", "where")


def nominal(factors: Iterable[str]) -> list[str]:
    """A note on the factors whose values are drawn, not measured."""
    listed = [f"{name} ({NOMINAL[name]})" for name in dict.fromkeys(factors) if name in NOMINAL]
    return [f"nominal, as drawn: {'; '.join(listed)}"] if listed else []


def headline_values(everything: Sequence[PairedScores]) -> list[PairedScores]:
    """The headline values of each condition, or its first value if it has none; values of speed are left out."""
    chosen = []
    for condition in dict.fromkeys(scores.condition for scores in everything):
        here = [s for s in everything if s.condition == condition and s.value.role != "speed"]
        named = [scores for scores in here if scores.value.headline]
        chosen += named or here[:1]
    return chosen


def breakdown_tables(everything: Sequence[PairedScores], facts: Mapping[str, Facts]) -> list[tuple[Breakdown, Table]]:
    return [
        (breakdown, _table(breakdown))
        for scores in headline_values(everything)
        for breakdown in breakdowns(scores, facts)
    ]


def _table(breakdown: Breakdown) -> Table:
    heads = [f"{text} (n={count})" for text, count in zip(breakdown.bins, breakdown.clips, strict=True)]
    rows = []
    for system, means in breakdown.means.items():
        shown = (
            DASH if mean is None else f"{mean:.{breakdown.decimals}f}" + (f" (n={n})" if n < count else "")
            for mean, n, count in zip(means, breakdown.known[system], breakdown.clips, strict=True)
        )
        explained = breakdown.explained.get(system)
        rows.append((system, *shown, f"{100 * explained.share:.0f} %" if explained else DASH))
    title = f"{breakdown.label} by {breakdown.factor}: {breakdown.condition}"
    if not any(breakdown.explained.values()):
        return Table(title, ("system", *heads), tuple(row[:-1] for row in rows), tuple(nominal([breakdown.factor])))
    return Table(title, ("system", *heads, "explains"), tuple(rows), (EXPLAINS, *nominal([breakdown.factor])))


def severity_tables(board: Board) -> list[tuple[Breakdown, Table]]:
    """Breakdowns and tables of the headline values over conditions that differ in the severity of a distortion."""
    tables = []
    for factor in dict.fromkeys(c.factor for c in board.plan.suite.condition if c.factor and c.severity is not None):
        steps = sorted(
            (condition.severity, condition.name)
            for condition in board.plan.suite.condition
            if condition.factor == factor and condition.severity is not None
        )
        names = [name for _, name in steps]
        here = [scores for scores in headline_values(board.scores) if scores.condition in names]
        for value in dict.fromkeys(scores.value for scores in here):
            cells = {(c.system, c.condition): c for c in board.cells if c.value_name == value.name}
            breakdown = Breakdown(
                condition="all conditions with this factor",
                value=value.name,
                label=value.label,
                decimals=value.decimals,
                factor=factor,
                bins=tuple(names),
                clips=tuple(max((c.n for (_, at), c in cells.items() if at == name), default=0) for name in names),
                known={
                    system: tuple(c.n if (c := cells.get((system, name))) else 0 for name in names)
                    for system in board.plan.systems
                },
                means={
                    system: tuple(c.value if (c := cells.get((system, name))) else None for name in names)
                    for system in board.plan.systems
                },
                intervals={
                    system: tuple(_interval(cells.get((system, name))) for name in names)
                    for system in board.plan.systems
                },
                explained={},
            )
            if len(steps) > 1:
                tables.append((breakdown, _table(breakdown)))
    return tables


def _interval(cell: Cell | None) -> tuple[float, float] | None:
    return None if cell is None or cell.low is None or cell.high is None else (cell.low, cell.high)


def gap_to_best(
    everything: Sequence[PairedScores], columns: Sequence[Column], facts: Mapping[str, Facts]
) -> list[Table]:  # fmt: skip
    """A table per condition: the factors on which each ranked system's gap to the best ranked system depends."""
    best = {(column.condition, column.value.name): _best(column) for column in columns}
    gap_rows = []
    for condition in dict.fromkeys(scores.condition for scores in everything):
        rows = []
        for scores in headline_values([s for s in everything if s.condition == condition]):
            for system, leader in best[condition, scores.value.name]:
                here = [gap for gap in gaps(scores, facts, system, leader) if gap.explained]
                rows += [(scores, f"{system} against {leader}", gap) for gap in here]
        significant = significant_rows(rows)
        if rows:
            none = f"no gap to the best system depends on {names(rows)}"
            notes = (*((GAP, EXPLAINS) if significant else (none, GAP)), *nominal(gap.factor for *_, gap in rows))
            gap_rows.append(Table(condition, BEHIND, significant, notes))
    return gap_rows


def _best(column: Column) -> list[tuple[str, str]]:
    """(system, leader) for every ranked system except the leader, which has the best score."""
    ranked = {system: entry.cell.value or 0.0 for system, entry in column.entries.items() if entry.rank}
    if len(ranked) < 2:
        return []
    leader = (max if column.value.direction == "higher" else min)(ranked, key=lambda system: ranked[system])
    return [(system, leader) for system in ranked if system != leader]


def significant_rows(rows: Sequence[tuple[PairedScores, str, Gap]]) -> tuple[tuple[str, ...], ...]:
    """Table rows of the gaps with a significant factor: value, systems, factor, share, p, and the gap in each bin."""
    tested = [(scores, systems, gap, gap.explained) for scores, systems, gap in rows if gap.explained]
    corrected = holm([explained.p for *_, explained in tested])
    corrected_rows = [(*row, float(p)) for row, p in zip(tested, corrected, strict=True) if p < ALPHA]
    return tuple(
        (
            scores.value.label,
            systems,
            gap.factor,
            f"{100 * explained.share:.0f} %",
            "< 0.001" if p < 0.001 else f"{p:.3f}",
            "; ".join(
                f"{difference:+.{scores.value.decimals}f} at {text}"
                for text, difference in zip(gap.bins, gap.differences, strict=True)
                if difference is not None
            ),
        )
        for scores, systems, gap, explained, p in corrected_rows
    )


def names(rows: Sequence[tuple[PairedScores, str, Gap]]) -> str:
    """The tested factors, as text with "or" between the last two."""
    tested = list(dict.fromkeys(gap.factor for _, _, gap in rows))
    return " or ".join((", ".join(tested[:-1]), tested[-1])) if len(tested) > 1 else tested[0]
