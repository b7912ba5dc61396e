"""Two systems on their common clips: which is better, by how much, and whether the difference is significant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores, Tested
from restorebench.benchmark.analysis.significance import ALPHA, smallest_p
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Table
from restorebench.reports.tables.board import DASH, delayed, few_clips, few_speakers
from restorebench.reports.tables.breakdown import facts_of, gaps
from restorebench.reports.tables.explain import EXPLAINS, GAP, headline_values, names, nominal, significant_rows

DEPENDS = ("value", "factor", "explains", "p", "A - B")
COLUMNS = ("value", "A", "B", "A - B", "95 % interval", "p", "effect", "what it says")


@dataclass(frozen=True)
class Compared:
    """One value of one condition. Numbers are in the value's unit."""

    scores: PairedScores
    first: float
    second: float
    clips: int
    """Number of clips with a value for both systems."""
    tested: Tested | None
    """None for cost, which is not tested."""

    @property
    def difference(self) -> float:
        return self.first - self.second

    @property
    def better(self) -> str:
        """The system with the better score: "A" or "B"."""
        up = self.difference > 0
        return "A" if up == (self.scores.value.direction == "higher") else "B"


def report(board: Board, first: str, second: str) -> list[Table]:
    """The comparison of two systems, and what their gap depends on.

    Raises RequestError if a system was not measured, or if the two share no clip.
    """
    known = list(dict.fromkeys(system for scores in board.scores for system in scores.systems))
    first, second = named(first, known), named(second, known)
    result_tables = tables(compared(board.scores, first, second), first, second)
    late = [note for note in delayed(board) if note.startswith((f"{first}: ", f"{second}: "))]
    annotated = [replace(table, notes=(*table.notes, *late)) for table in result_tables]
    return [*annotated, *_gaps(board, first, second)]


def _gaps(board: Board, first: str, second: str) -> list[Table]:
    facts = facts_of(board.plan.trials)
    gap_rows = []
    for condition in dict.fromkeys(scores.condition for scores in board.scores):
        here = [s for s in board.scores if s.condition == condition and {first, second} <= set(s.systems)]
        rows = [(s, "", gap) for s in headline_values(here) for gap in gaps(s, facts, first, second) if gap.explained]
        if rows:
            significant = [(value, *rest) for value, _, *rest in significant_rows(rows)]
            none = f"none of {', '.join(dict.fromkeys(s.value.label for s, _, _ in rows))} depends on {names(rows)}"
            notes = (*((GAP, EXPLAINS) if significant else (none, GAP)), *nominal(gap.factor for *_, gap in rows))
            gap_rows.append(Table(f"What A - B depends on: {condition}", DEPENDS, tuple(significant), notes))
    return gap_rows


def named(name: str, known: Sequence[str]) -> str:
    """The measured system of a full name, or of a name without `published:` or checkpoint if only one system has it."""
    if name in known:
        return name
    close = [system for system in known if name in (system.partition(":")[2], system.partition("@")[0])]
    if len(close) > 1:
        raise RequestError(f"{name!r} could be {' or '.join(close)}; name one of them in full")
    if not close:
        raise RequestError(f"the store has no scores of {name!r}; it has {', '.join(known) or 'none'}")
    return close[0]


def compared(everything: Sequence[PairedScores], first: str, second: str) -> list[Compared]:
    """Every value that both systems have on common clips. Raises RequestError when there is nothing in common."""
    comparisons = []
    for condition in dict.fromkeys(scores.condition for scores in everything):
        here = [s for s in everything if s.condition == condition and {first, second} <= set(s.systems)]
        comparisons += _condition(here, (first, second))
    if not comparisons:
        where = {name: sorted({s.condition for s in everything if _scored(s, name)}) for name in (first, second)}
        places = "; ".join(
            f"{name} has scores for {', '.join(conditions) or 'nothing'}" for name, conditions in where.items()
        )
        raise RequestError(f"{first} and {second} have no clip in common: {places}")
    return comparisons


def _scored(scores: PairedScores, system: str) -> bool:
    return system in scores.systems and bool(scores.sample.common([scores.systems.index(system)]).any())


def _condition(everything: Sequence[PairedScores], names: tuple[str, str]) -> list[Compared]:
    comparisons = []
    for scores in everything:
        systems = [scores.systems.index(name) for name in names]
        clips = scores.sample.common(systems)
        if not scores.sample.denominator[systems[0], clips].any():
            continue
        numerator, denominator = scores.sample.sums(systems, clips)
        first, second = (float(value) * scores.factor for value in numerator.sum(1) / denominator.sum(1))
        comparisons.append(Compared(scores, first, second, int(clips.sum()), scores.difference(*names)))
    return comparisons


def tables(rows: Sequence[Compared], first: str, second: str) -> list[Table]:
    """A table per condition: the numbers of each value, and a verdict in words."""
    result = []
    for condition in dict.fromkeys(row.scores.condition for row in rows):
        mine = [row for row in rows if row.scores.condition == condition]
        who, notes = _who(mine)
        result.append(
            Table(
                f"{first} and {second}: {condition} ({who})", COLUMNS, tuple(map(_row, mine)),
                (f"A: {first}, B: {second}, on the {who} that both have a value for", *notes),
            )
        )  # fmt: skip
    return result


def _who(rows: Sequence[Compared]) -> tuple[str, list[str]]:
    """The clips of a condition in words, and how they were tested."""
    clips = max(row.clips for row in rows)
    tested = [row.tested for row in rows if row.tested]
    if not tested:
        return f"{clips} clips", []
    clusters, pairs = max(one.difference.clusters for one in tested), max(one.pairs for one in tested)
    grouped, everything = rows[0].scores.grouped, [row.scores for row in rows]
    notes = [
        f"interval: 95 % over {grouped}s for this difference alone, the wider one of Student's t and bootstrap t",
        f"p: the larger one of sign flips and bootstrap t over {grouped}s, corrected over a value's {pairs} pairs of "
        "systems (Holm), as on the board",
        f"effect: the difference in standard deviations of a {grouped}'s difference",
        f"{grouped}s needed: number for 80 % power at the corrected level, if the true difference is the measured one",
        *few_speakers(everything),
        *few_clips(everything),
    ]
    notes += [f"{row.scores.value.label}: {row.clips} clips" for row in rows if row.clips < clips]
    return f"{clips} clips" + (f" of {clusters} speakers" if grouped == "speaker" else ""), notes


def _row(row: Compared) -> tuple[str, ...]:
    value, factor = row.scores.value, row.scores.factor
    decimals = value.decimals + 1
    numbers = (
        f"{value.label}{' %' if value.unit == '%' else ''} {'↑' if value.direction == 'higher' else '↓'}",
        f"{row.first:.{decimals}f}",
        f"{row.second:.{decimals}f}",
        f"{row.difference:+.{decimals}f}",
    )
    if row.tested is None:
        return (*numbers, DASH, DASH, DASH, "not tested: measured once for a batch of clips")
    interval, effect = row.tested.difference.interval, row.tested.difference.effect
    return (
        *numbers,
        f"[{interval.low * factor:+.{decimals}f}, {interval.high * factor:+.{decimals}f}]" if interval else DASH,
        shown_p(row.tested.p),
        DASH if effect is None else f"{effect:+.2f}",
        verdict(row, row.tested),
    )


def shown_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(row: Compared, tested: Tested) -> str:
    """The result of a row in words, for a reader who knows the metric but not the statistics."""
    difference, grouped = tested.difference, row.scores.grouped
    if tested.separated:
        return f"{row.better} is better"
    among = f" among {tested.pairs} pairs" if tested.pairs > 1 else ""
    if smallest_p(difference.clusters) * tested.pairs >= ALPHA:
        return f"{difference.clusters} {grouped}s are too few to tell{among}"
    if difference.value == 0:
        return f"no difference at n = {difference.clips}"
    needed = difference.clusters_needed(tested.level)
    if needed is None or needed <= difference.clusters:
        return f"not separable at n = {difference.clips}{among}"
    clips = rounded(needed * difference.clips / difference.clusters)
    wanted = (
        f"{rounded(needed)} speakers ({clips} clips)" if difference.clips > difference.clusters else f"{clips} clips"
    )
    return f"not separable at n = {difference.clips}; {wanted} would be needed"


def rounded(count: float) -> str:
    """A count, rounded up to two significant digits, because the estimate is not more exact."""
    step = 10 ** max(0, floor(log10(count)) - 1)
    return f"{ceil(count / step) * step:,}"
