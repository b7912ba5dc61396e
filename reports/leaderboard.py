"""The leaderboard: every cell with its interval, the ranks that it leaves open, tie groups, and winners that are sure.

Anchors are shown and not ranked; neither is a system with a hole in a column, whose mean is over other clips. Pairs are
tested on the clips that all ranked systems of the column share, and corrected over the column (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from restorebench.benchmark.contracts import SystemCard, Value
from restorebench.benchmark.samples import Scores
from restorebench.benchmark.stats import Draws, holm, letters, pairs, pairwise, ranks, ratios, score_interval

SURE = 0.05


@dataclass(frozen=True)
class Entry:
    """One system's score. Numbers are in the value's unit."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    planned: int
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


def columns(everything: Sequence[Scores], cards: Mapping[str, SystemCard]) -> list[Column]:
    """A column per condition and value."""
    shared: dict[str, Draws] = {}
    return [column(scores, cards, shared.setdefault(scores.condition, scores.draws())) for scores in everything]


def column(scores: Scores, cards: Mapping[str, SystemCard], draws: Draws) -> Column:
    entries = {system: _entry(scores, row, draws) for row, system in enumerate(scores.systems)}
    ranked = [
        row
        for row, system in enumerate(scores.systems)
        if cards[system].kind != "anchor" and entries[system].n == entries[system].planned
    ]
    if len(ranked) > 1:
        entries |= _ranked(scores, ranked, entries, draws)
    return Column(scores.condition, scores.value, entries)


def _entry(scores: Scores, row: int, draws: Draws) -> Entry:
    interval = score_interval(scores.sample, row, draws)
    low, high = (interval.low * scores.factor, interval.high * scores.factor) if interval else (None, None)
    return Entry(scores.pooled(row), low, high, int(scores.sample.common([row]).sum()), len(scores.clips))


def _ranked(scores: Scores, rows: Sequence[int], entries: Mapping[str, Entry], draws: Draws) -> dict[str, Entry]:
    found = pairwise(scores.sample, [(rows[a], rows[b]) for a, b in pairs(len(rows))], draws)
    corrected = dict(zip(found, holm([difference.p for difference in found.values()]), strict=True))
    separated = {(rows.index(a), rows.index(b)) for (a, b), p in corrected.items() if p < SURE}
    over, under = scores.sample.sums(rows, scores.sample.common(rows))
    higher = scores.value.direction == "higher"
    places = ranks(ratios(draws.counts(over.shape[1]), over, under), higher)
    values = [entries[scores.systems[row]].value or 0.0 for row in rows]
    top = max(range(len(rows)), key=lambda place: values[place] if higher else -values[place])
    alone = all(tuple(sorted((top, other))) in separated for other in range(len(rows)) if other != top)
    made = {}
    for place, (row, ties) in enumerate(zip(rows, letters(len(rows), separated), strict=True)):
        old = entries[scores.systems[row]]
        made[scores.systems[row]] = Entry(
            old.value, old.low, old.high, old.n, old.planned, places[place], ties, alone and place == top
        )
    return made
