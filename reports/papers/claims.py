"""The papers' claims about their own results: which hold for the printed numbers, and which for ours.

Two of our numbers are compared only within one board, condition and value, so that both have one signature and the same
clips. Our numbers need not be comparable with the printed ones (numbers of our own checkpoints never are); notes state
the reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.types import Table
from restorebench.reports.papers.published import Claim, Paper, PublishedCell, cells_of, papers
from restorebench.reports.papers.verdicts import Verdict

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
        if claim.percent_range is not None:
            return claim.percent_range[0] <= round(100 * gain / than) <= claim.percent_range[1]
        return exceeds(gain, claim.margin)

    @property
    def text(self) -> str:
        return f"{_name(self.better)} against {_name(self.than)}, {self.better.metric}, {self.better.test_set}"


@dataclass(frozen=True)
class Measured:
    """A check on our own numbers."""

    better: float
    than: float
    gain: float
    sure: bool
    """Whether the two differ significantly on their common clips, with the correction of the board."""
    clips: int
    reasons: tuple[str, ...]
    """Why the numbers are not comparable with the printed ones."""


def _name(cell: PublishedCell) -> str:
    return ", ".join(part for part in (cell.system, cell.variant) if part)


def claims_table(measured: Sequence[tuple[Board, Sequence[Verdict]]]) -> Table:
    """Every claim of every paper."""
    rows, notes = [], []
    for source in papers().values():
        for claim in source.claim:
            checks = checks_of(source, claim)
            printed = [check.holds(claim, check.better.value, check.than.value) for check in checks]
            failing = [c.text for c, holds in zip(checks, printed, strict=True) if claim.always and not holds]
            notes += [f"fails on the printed cells: {text}" for text in failing]
            own = [best_measured(check, measured) for check in checks]
            notes += [f"ours, {text}" for text in dict.fromkeys(r for one in own if one for r in one.reasons)]
            notes += [f"{claim.quote}: {claim.reading}"] if claim.reading else []
            rows.append(
                (source.paper, ", ".join(claim.table), claim.quote, claim_result(claim, printed), ours(claim, own))
            )
    return Table("Claims", COLUMNS, tuple(rows), tuple(dict.fromkeys(notes)))


def checks_of(source: Paper, claim: Claim) -> list[Check]:
    """The comparisons of a claim, wherever the paper prints both cells."""
    checks = []
    cells = {(c.table, c.test_set, _name(c), c.metric): c for c in cells_of(source)}
    for table, test_set in dict.fromkeys((c.table, c.test_set) for c in cells_of(source)):
        if table not in claim.table or (claim.test_set and test_set not in claim.test_set):
            continue
        for metric in claim.metric:
            for better in claim.better:
                for than in claim.than:
                    pair = [cells.get((table, test_set, row, metric)) for row in (better, than)]
                    if pair[0] and pair[1]:
                        checks.append(Check(pair[0], pair[1], source.metric[metric].lower_is_better))
    return checks


def claim_result(claim: Claim, results: list[bool]) -> str:
    """Whether a claim holds, in words; a claim with `always` false holds if one of its comparisons fails."""
    if claim.always:
        return said(results)
    return f"{'does not hold' if all(results) else 'holds'} (of {len(results)} comparisons {sum(results)} are met)"


def said(results: list[bool]) -> str:
    if all(results):
        return "holds"
    return f"holds in {sum(results)} of {len(results)}" if any(results) else "does not hold"


def best_measured(check: Check, measured: Sequence[tuple[Board, Sequence[Verdict]]]) -> Measured | None:
    """The check on the board with the most common clips; None if no board has both sides in one condition and value."""
    measured_checks = [one for board, verdicts in measured for one in _measured(check, board, verdicts)]
    return max(measured_checks, key=lambda one: one.clips, default=None)


def _measured(check: Check, board: Board, verdicts: Sequence[Verdict]) -> list[Measured]:
    checks = []
    for better in (v for v in verdicts if v.published == check.better):
        for than in (v for v in verdicts if v.published == check.than):
            same = all(getattr(better.cell, key) == getattr(than.cell, key) for key in ("condition", "value_name"))
            if not same or better.cell.value is None or than.cell.value is None:
                continue
            sure, clips = _significance(board, better, than)
            gain = check.gain(better.cell.value, than.cell.value)
            reasons = tuple(dict.fromkeys((*better.reasons, *than.reasons)))
            checks.append(Measured(better.cell.value, than.cell.value, gain, sure, clips, reasons))
    return checks


def _significance(board: Board, first: Verdict, second: Verdict) -> tuple[bool, int]:
    """Whether two cells of a board differ significantly, and the number of their common clips."""
    for scores in board.scores:
        if (scores.condition, scores.value.name) == (first.cell.condition, first.cell.value_name):
            difference = scores.difference(first.cell.system, second.cell.system)
            return (difference is not None and difference.separated), difference.difference.clips if difference else 0
    return False, 0


def exceeds(gain: float, margin: float) -> bool:
    """gain > margin for decimal numbers: 3.71 - 3.41 is 0.3, not a little more or less."""
    return round(gain - margin, 9) > 0


def ours(claim: Claim, results: Sequence[Measured | None]) -> str:
    """Whether a claim holds for our numbers, and how many are significant; for a claim in percent, our changes."""
    known = [one for one in results if one is not None]
    if not known:
        return "not measured"
    whole = [] if len(known) == len(results) else [f"{len(results) - len(known)} not measured"]
    if named := claim.percent_range or (claim.percent is not None and (claim.percent,)):
        sure = "significant" if all(one.sure for one in known) else "not significant"
        paper = f"{' to '.join(f'{one:g}' for one in named)} %"
        changes = ", ".join(f"{100 * one.gain / one.than:.1f} %" for one in known)
        return f"{changes} (paper: {paper}; {'; '.join([sure, *whole])})"
    holding = [one for one in known if exceeds(one.gain, claim.margin)]
    whole.insert(0, f"{sum(one.sure for one in holding)} significant")
    return f"{claim_result(claim, [exceeds(one.gain, claim.margin) for one in known])} ({', '.join(whole)})"
