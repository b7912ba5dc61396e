"""Pictures of measured cells beside the papers' cells; as in the overview, marks carry their numbers as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from restorebench.benchmark.analysis.board import Board
from restorebench.reports.html.overview import BOTTOM, ROW, TOP, Scale, cut, left_of, scale_over, ticks_of, y_of
from restorebench.reports.papers.published import papers
from restorebench.reports.papers.verdicts import Verdict, once, verdicts
from restorebench.reports.tables.board import header, marked

SIGNS = {"reproduced": "✓", "close": "≈", "differs": "≠", "by definition": "=", "not comparable": "n/c"}
"""The sign of each verdict, shown beside its row, so that verdicts differ in more than colour."""


def beside_papers(board: Board) -> list[dict[str, Any]]:
    """Per paper and condition: a picture of our and the published numbers for each value of the paper's own metrics."""
    shown = []
    for name in papers():
        comparable = [v for v in verdicts(board, name) if v.exact and v.cell.value is not None]
        for condition in dict.fromkeys(v.cell.condition for v in comparable):
            mine = [v for v, _ in once(v for v in comparable if v.cell.condition == condition)]
            values = dict.fromkeys(v.cell.value_name for v in mine)
            pictures = [dumbbells([v for v in mine if v.cell.value_name == value], board) for value in values]
            notes = dict.fromkeys(note for v in mine for note in (*v.reasons, *v.caveats))
            shown.append({"paper": name, "condition": condition, "pictures": pictures, "notes": list(notes)})
    return shown


def dumbbells(comparable: Sequence[Verdict], board: Board) -> dict[str, Any]:
    """A picture with a row per verdict: a dot and interval for our score, a diamond for the paper's, a line between."""
    value = next(value for value in board.values() if value.name == comparable[0].cell.value_name)
    names = [marked(v.cell.system, board.plan) for v in comparable]
    numbers = [
        x for v in comparable for x in (v.cell.value, v.cell.low, v.cell.high, v.published.value) if x is not None
    ]
    scale = scale_over(numbers, left_of(names))
    rows = [_row(v, name, scale, index) for index, (v, name) in enumerate(zip(comparable, names, strict=True))]
    bottom = TOP + ROW * len(rows)
    return {
        "label": header(value), "value": value.name, "rows": rows, "ticks": ticks_of(scale), "bottom": bottom,
        "height": bottom + BOTTOM,
    }  # fmt: skip


def _row(v: Verdict, name: str, scale: Scale, index: int) -> dict[str, Any]:
    ours = v.cell.value or 0.0
    theirs = f"{v.published.system} {v.published.variant}".strip()
    low, high = (ours if bound is None else bound for bound in (v.cell.low, v.cell.high))
    return {
        "name": cut(name), "system": v.cell.system, "y": y_of(index), "sign": SIGNS[v.status], "status": v.status,
        "told": f"{v.cell.system}: {ours:.{v.decimals}f} here; {theirs}: {v.published.value:g} published; {v.text}",
        "ours": ours, "published": v.published.value, "x": scale(ours), "paper_x": scale(v.published.value),
        "from": scale(low), "to": scale(high), "kind": v.status.replace(" ", "-"),
    }  # fmt: skip
