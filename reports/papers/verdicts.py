"""Every measured cell beside the published one: reproduced, close, differs, or not comparable, and why.

Two numbers of one metric may still differ by the paper's rounding, by known differences between implementations and,
where the clips are degraded here by the paper's rules, by the random draws. In the last case both sets are random, and
the interval of the difference of the two means has sqrt(2) times the half width of our interval. Recorded sets are the
published clips, so their numbers do not differ by draws. The tolerance is the largest of these differences: a number
within it is reproduced, a number within twice the tolerance is close. Numbers of different metrics are not comparable,
however close they are; nor are numbers on a set whose noise, SNR, T60 or clips the paper does not state, except the
target's. The score of a target against itself is right by definition.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.suite import PaperSet
from restorebench.benchmark.types import Cell, Table
from restorebench.reports.papers.published import Paper, PublishedCell, cells_of, paper
from restorebench.reports.tables.board import DASH, shown_cell

Status = Literal["reproduced", "close", "differs", "by definition", "not comparable", "not measured"]
COLUMNS = ("system", "value", "measured", "published", "difference", "table", "verdict")
CLOSE = 2.0
"""Multiple of the tolerance up to which a number is close."""
SHORT = {"not comparable": "n/c"}
LEGEND = (
    "±: the tolerance, the largest of half the last printed digit, the known spread of implementations, and, where the "
    "clips are other draws than the paper's, 1.41 times half the width of our 95 % interval; reproduced within it, "
    "close within twice the tolerance; by definition: clean speech scored against itself, which rates no system; "
    "n/c: not comparable; METRIC (VALUE): another scorer than the paper's, so no difference is shown"
)


@dataclass(frozen=True)
class Verdict:
    """A measured cell beside a published one."""

    cell: Cell
    published: PublishedCell
    status: Status
    reasons: tuple[str, ...]
    """Why the two cells may not be compared."""
    caveats: tuple[str, ...]
    """Remarks on the comparison that do not forbid it."""
    tolerance: float
    decimals: int
    exact: bool
    """Whether the value is by the paper's own metric, not by a stand-in for its scorer."""

    @property
    def difference(self) -> float | None:
        return None if self.cell.value is None else self.cell.value - self.published.value

    @property
    def text(self) -> str:
        """The status with its reasons, or with the caveats if there are no reasons."""
        remarks = self.reasons or self.caveats
        return f"{self.status}: {'; '.join(remarks)}" if remarks else self.status


def verdicts(board: Board, name: str) -> list[Verdict]:
    """Verdicts on the board's cells that the paper prints too, in the order of the conditions and of the paper's rows.

    Raises RequestError when the paper is unknown.
    """
    source = paper(name)
    values = {value.name: value for value in board.values()}
    results = []
    recorded = {trial.condition for trial in board.plan.trials if trial.utterance.degraded is not None}
    counts, left_out = Counter(trial.condition for trial in board.plan.trials), board.plan.left_out
    for cell in board.cells:
        paper_set = board.plan.suite.paper_set(cell.condition)
        if paper_set is None or paper_set.paper != name:
            continue
        for published in cells_of(source):
            if stands_beside(source, published, cell, paper_set, values):
                results.append(
                    verdict(
                        source,
                        published,
                        cell,
                        values[cell.value_name],
                        paper_set,
                        counts[cell.condition],
                        left_out,
                        cell.condition in recorded,
                    )
                )
    conditions = list(dict.fromkeys(trial.condition for trial in board.plan.trials))
    systems = list(dict.fromkeys(published.system for published in cells_of(source)))
    return sorted(results, key=lambda v: (conditions.index(v.cell.condition), systems.index(v.published.system)))


def stands_beside(
    source: Paper, published: PublishedCell, cell: Cell, paper_set: PaperSet, measured: Mapping[str, Value]
) -> bool:
    """Whether a measured cell is the published one's counterpart: test set, table, metric and row."""
    if published.test_set != paper_set.test_set or paper_set.table not in ("", published.table):
        return False
    metric = source.metric[published.metric]
    wanted = metric.exact if metric.exact in measured else metric.ours
    return cell.value_name == wanted and re.split("[@?]", cell.system)[0] in source.ours(published)


def verdict(
    source: Paper, published: PublishedCell, cell: Cell, value: Value, paper_set: PaperSet, clips: int,
    left_out: int = 0, recorded: bool = False,
) -> Verdict:  # fmt: skip
    """The verdict on a measured cell against a published one.

    clips: number of the condition's clips; left_out: number of clips that a limit left out; recorded: whether the
    degraded clips are the published files.
    """
    metric = source.metric[published.metric]
    exact = cell.value_name == metric.exact
    target = cell.system == "target"
    reasons = [paper_set.differs, "" if target else paper_set.open, "" if exact else metric.differs]
    own_checkpoint = "@" in cell.system and not cell.system.startswith("published:")
    reasons.append("other checkpoint: the authors published none" if own_checkpoint else "")
    reasons.append("sampled with other settings than the paper's" if "?" in cell.system else "")
    if left_out:
        reasons.append(f"a limit left out {left_out} clips")
    if paper_set.clips is not None and clips != paper_set.clips:
        reasons.append(f"{clips} of the published set's {paper_set.clips} clips")
    if cell.n < cell.planned:
        reasons.append(f"only {cell.n} of {cell.planned} clips have a value")
    by_definition = target and value.ideal is not None
    if cell.value is not None and cell.low is None and not recorded and not by_definition:
        reasons.append("no interval: too few clips, or too few that differ")
    decimals = printed_decimals(source, published.metric)
    interval = (cell.high - cell.low) / 2 if cell.low is not None and cell.high is not None else 0.0
    spread = min(metric.spread, metric.spread_share * abs(published.value))
    tolerance = max(0.5 * 10**-decimals, spread, 0.0 if recorded else sqrt(2) * interval)
    status: Status
    if cell.value is None:
        status = "not measured"
    elif any(reasons):
        status = "not comparable"
    elif by_definition:
        status = "by definition"
    else:
        deviation = abs(cell.value - published.value)
        status = "reproduced" if deviation <= tolerance else "close" if deviation <= CLOSE * tolerance else "differs"
    caveats = (paper_set.caveat, metric.unstated if exact else "")
    return Verdict(
        cell=cell,
        published=published,
        status=status,
        reasons=tuple(reason for reason in reasons if reason),
        caveats=tuple(caveat for caveat in caveats if caveat),
        tolerance=tolerance,
        decimals=max(value.decimals, decimals),
        exact=exact or not metric.differs,
    )


def printed_decimals(source: Paper, metric: str) -> int:
    """Decimals that the paper prints of a metric."""
    return max(len(f"{cell.value:g}".partition(".")[2]) for cell in cells_of(source) if cell.metric == metric)


def against(board: Board, name: str) -> list[Table]:
    """A table per condition, with numbered notes on the verdicts. Raises RequestError for an unknown paper."""
    results = verdicts(board, name)
    tables = []
    for condition in dict.fromkeys(verdict.cell.condition for verdict in results):
        mine = once(v for v in results if v.cell.condition == condition)
        notes = list(dict.fromkeys(note for v, _ in mine for note in (*v.reasons, *v.caveats)))
        rows = tuple(_row(v, printed, numbered(v, notes)) for v, printed in mine)
        legend = [f"{number}: {note}" for number, note in enumerate(notes, start=1)]
        legend.append(LEGEND)
        paper_set = board.plan.suite.paper_set(condition)
        title = f"{board.plan.suite.name}: {condition}, beside {name} {paper_set.test_set if paper_set else ''}"
        tables.append(Table(title, COLUMNS, rows, tuple(legend)))
    nothing = f"no condition of {board.plan.suite.name} corresponds to a test set of {name}"
    return tables or [Table(f"{board.plan.suite.name} beside {name}", COLUMNS, (), (nothing,))]


def against_long(board: Board, name: str) -> list[Table]:
    """All conditions in one table, for programs: each row has its own reasons or caveats instead of numbered notes."""
    results = verdicts(board, name)
    rows = []
    for condition in dict.fromkeys(verdict.cell.condition for verdict in results):
        mine = once(v for v in results if v.cell.condition == condition)
        rows += [(condition, *_row(v, printed, v.text)) for v, printed in mine]
    return [Table(f"{board.plan.suite.name} beside {name}", ("condition", *COLUMNS), tuple(rows))]


def once(results: Iterable[Verdict]) -> list[tuple[Verdict, str]]:
    """(verdict, names of the tables) for each number; several tables that print one number give one entry."""
    tables: dict[tuple[str, ...], tuple[Verdict, list[str]]] = {}
    for v in results:
        key = (v.published.system, v.published.variant.partition(", span")[0], v.published.metric, v.cell.system)
        tables.setdefault((*key, f"{v.published.value:g}"), (v, []))[1].append(v.published.table)
    return [(v, ", ".join(names)) for v, names in tables.values()]


def _row(verdict: Verdict, tables: str, remark: str) -> tuple[str, ...]:
    published, decimals, difference = verdict.published, verdict.decimals, verdict.difference
    row = ", ".join(part for part in (published.system, published.variant) if part)
    within = "" if verdict.reasons else f" ±{verdict.tolerance:.{decimals}f}"
    if not verdict.exact:
        difference = None
    return (
        row,
        published.metric if verdict.exact else f"{published.metric} ({verdict.cell.value_name})",
        shown_cell(verdict.cell, decimals),
        f"{published.value:.{decimals}f}",
        DASH if difference is None else f"{difference:+.{decimals}f}{within}",
        tables,
        remark,
    )


def numbered(verdict: Verdict, notes: Sequence[str]) -> str:
    """The status with the numbers of the notes that belong to it."""
    remarks = [*verdict.reasons, *verdict.caveats]
    status = SHORT.get(verdict.status, verdict.status)
    return f"{status}: {', '.join(str(notes.index(text) + 1) for text in remarks)}" if remarks else status
