"""The ledger: every published cell with our value and verdict, or with what is missing to measure it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

from restorebench.benchmark import registry, suite
from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.components import metric_card, why_not
from restorebench.benchmark.data.corpora import fetch
from restorebench.benchmark.data.corpora.catalogue import CORPORA, command
from restorebench.benchmark.suite import PaperSet, Suite
from restorebench.benchmark.types import Table
from restorebench.reports.papers.claims import claims_table
from restorebench.reports.papers.published import Paper, PublishedCell, cells_of, papers
from restorebench.reports.papers.verdicts import Verdict, verdicts

COLUMNS = ("paper", "table", "test set", "system", "value", "published", "measured", "status", "missing")
STATUSES = ("reproduced", "close", "differs", "by definition", "not comparable", "not measured")
"""Every status: verdicts on a system first, from agreement to disagreement, then those that say nothing of a system."""


def ledger(boards: Sequence[Board]) -> list[Table]:
    """Two tables: all published cells with the values of the given boards, and the papers' claims."""
    measured = [(board, [v for name in papers() for v in verdicts(board, name)]) for board in boards]
    best = verdict_per_cell([verdict for _, mine in measured for verdict in mine])
    rows = [_row(source, cell, best.get(cell)) for source in papers().values() for cell in cells_of(source)]
    counts = Counter(row[7] for row in rows)
    notes = (f"{len(rows)} published cells: " + ", ".join(f"{n} {status}" for status, n in counts.most_common()),)
    return [Table("Published cells", COLUMNS, tuple(rows), notes), claims_table(measured)]


def verdict_per_cell(every: Sequence[Verdict]) -> dict[PublishedCell, Verdict]:
    """One verdict per cell: a comparable one if there is one, then the one measured on the most clips.

    Among equals, the one that agrees least with the paper.
    """
    selected: dict[PublishedCell, Verdict] = {}
    for verdict in every:
        other = selected.get(verdict.published)
        if other is None or _rank(verdict) > _rank(other):
            selected[verdict.published] = verdict
    return selected


def _rank(verdict: Verdict) -> tuple[int, int, int]:
    comparability = {"not measured": 0, "not comparable": 1}.get(verdict.status, 2)
    return comparability, verdict.cell.n, STATUSES.index(verdict.status)


def _row(source: Paper, cell: PublishedCell, verdict: Verdict | None) -> tuple[str, ...]:
    measured = "" if verdict is None or verdict.cell.value is None else f"{verdict.cell.value:.4g}"
    if measured and verdict and not verdict.exact:
        measured += f" ({verdict.cell.value_name})"
    return (
        source.paper,
        cell.table,
        cell.test_set,
        ", ".join(part for part in (cell.system, cell.variant) if part),
        cell.metric,
        f"{cell.value:g}",
        measured,
        verdict.text if verdict else "not measured",
        "" if verdict and verdict.status not in ("not comparable", "not measured") else missing(source, cell),
    )


def missing(source: Paper, cell: PublishedCell) -> str:
    """What a user must get or do to measure a cell as the paper did; the command to run if only the run is missing."""
    published_metric = source.metric[cell.metric]
    if not published_metric.ours:
        return published_metric.differs
    name = suite_for(cell)
    if name is None:
        return "no suite reproduces this table and test set"
    corpora = [corpus for corpus in suites()[name].corpus.fetch if is_incomplete(corpus)]
    needs = [f"corpora: {command(' '.join(corpora))}" if corpora else ""]
    metric_name = metric_of(published_metric.exact or published_metric.ours)
    if reason := _unusable("metrics", metric_name):
        needs.append(f"{metric_name}: {reason}")
    needs.append(_missing_of_system(source, cell))
    return "; ".join(dict.fromkeys(need for need in needs if need)) or f"restorebench run {name}"


def _missing_of_system(source: Paper, cell: PublishedCell) -> str:
    names = source.ours(cell)
    if not names:
        return f"{cell.system} is not in the registry"
    needs = [
        f"its outputs on this set, as {n}@DIR" if n.startswith("published:") else _unusable("systems", n) for n in names
    ]
    return "" if "" in needs else f"{cell.system}: {', or '.join(needs)}"


@cache
def _unusable(kind: registry.Kind, name: str) -> str:
    return why_not(kind, name)


@cache
def is_incomplete(corpus: str) -> bool:
    return bool(fetch.missing_files(CORPORA[corpus], fetch.folder_of(corpus)))


@cache
def suites() -> dict[str, Suite]:
    return {name: suite.load_suite(name) for name in suite.known()}


def suite_for(cell: PublishedCell) -> str | None:
    """The suite that reproduces a cell's table and test set; None if there is no such suite."""
    for name, definition in suites().items():
        for paper_set in definition.paper.values():
            if "-table" in name and _holds_cell(paper_set, cell):
                return name
    return None


def _holds_cell(paper_set: PaperSet, cell: PublishedCell) -> bool:
    return (paper_set.paper, paper_set.table, paper_set.test_set) == (cell.paper, cell.table, cell.test_set)


@cache
def metric_of(value: str) -> str:
    """The metric that gives a value."""
    for name in registry.targets_by_name("metrics"):
        if value in {v.name for v in metric_card(name).values}:
            return name
    raise KeyError(value)
