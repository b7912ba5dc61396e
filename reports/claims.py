"""The papers' own sentences that follow from their cells: which hold on the printed numbers, and which on ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from restorebench.benchmark.types import Table
from restorebench.reports.published import Claim, Paper, PublishedCell, cells_of, papers
from restorebench.reports.verdicts import Verdict

COLUMNS = ("paper", "table", "claim", "printed cells", "our cells")


@dataclass(frozen=True)
class Check:
    """One comparison that a claim makes."""

    better: PublishedCell
    than: PublishedCell
    lower_is_better: bool

    def gain(self, better: float, than: float) -> float:
        return than - better if self.lower_is_better else better - than

    def holds(self, claim: Claim, better: float, than: float) -> bool:
        gain = self.gain(better, than)
        if claim.percent is not None:
            return f"{100 * gain / than:.1f}" == f"{claim.percent:.1f}"
        # Printed numbers are decimal: 3.71 - 3.41 is 0.3, not a little less.
        return round(gain - claim.margin, 9) > 0

    @property
    def text(self) -> str:
        return f"{_name(self.better)} against {_name(self.than)}, {self.better.metric}, {self.better.test_set}"


def _name(cell: PublishedCell) -> str:
    return ", ".join(part for part in (cell.system, cell.variant) if part)


def claims_table(measured: Mapping[PublishedCell, Verdict]) -> Table:
    """Every claim of every paper."""
    rows, notes = [], []
    for source in papers().values():
        for claim in source.claim:
            checks = checks_of(source, claim)
            printed = [check.holds(claim, check.better.value, check.than.value) for check in checks]
            failing = [check.text for check, holds in zip(checks, printed, strict=True) if not holds]
            notes += [f"fails on the printed cells: {text}" for text in failing]
            rows.append(
                (source.paper, ", ".join(claim.table), claim.quote, said(printed), ours(claim, checks, measured))
            )
    return Table("Claims", COLUMNS, tuple(rows), tuple(notes))


def checks_of(source: Paper, claim: Claim) -> list[Check]:
    """The comparisons of a claim, wherever the paper prints both cells."""
    found = []
    cells = {(c.table, c.test_set, _name(c), c.metric): c for c in cells_of(source)}
    for table, test_set in dict.fromkeys((c.table, c.test_set) for c in cells_of(source)):
        if table not in claim.table or (claim.test_set and test_set not in claim.test_set):
            continue
        for metric in claim.metric:
            for better in claim.better:
                for than in claim.than:
                    pair = [cells.get((table, test_set, row, metric)) for row in (better, than)]
                    if pair[0] and pair[1]:
                        found.append(Check(pair[0], pair[1], source.metric[metric].lower_is_better))
    return found


def said(results: list[bool]) -> str:
    if all(results):
        return "holds"
    return f"holds in {sum(results)} of {len(results)}" if any(results) else "does not hold"


def ours(claim: Claim, checks: list[Check], measured: Mapping[PublishedCell, Verdict]) -> str:
    """What our numbers say, where both cells of a comparison were measured; a relative reduction need only exist."""
    results = []
    for check in checks:
        values = [found.cell.value for cell in (check.better, check.than) if (found := measured.get(cell))]
        if len(values) == 2 and values[0] is not None and values[1] is not None:
            results.append(check.gain(values[0], values[1]) > claim.margin)
    if not results:
        return "not measured"
    whole = "" if len(results) == len(checks) else f" ({len(checks) - len(results)} not measured)"
    return said(results) + whole
