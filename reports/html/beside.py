"""Pictures of measured cells beside the papers' cells. The SVG groups contain their numbers as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from restorebench.benchmark.analysis.board import Board
from restorebench.reports.html.overview import BOTTOM, ROW, TOP, Scale, cut, left_of, scale_over, ticks_of, y_of
from restorebench.reports.papers.published import papers
from restorebench.reports.papers.verdicts import Verdict, once, verdicts
from restorebench.reports.tables.board import header, marked

SIGNS = {"reproduced": "✓", "close": "≈", "differs": "≠", "by definition": "=", "not comparable": "n/c"}
"""The sign of each verdict, shown beside its row, so that colour alone does not distinguish the verdicts."""


def beside_papers(board: Board) -> list[dict[str, Any]]:
    """Per paper and condition: for each value of the paper's metrics, a picture of our and the published numbers."""
    shown = []
    for name in papers():
        comparable = [v for v in verdicts(board, name) if v.exact and v.cell.value is not None]
        for condition in dict.fromkeys(v.cell.condition for v in comparable):
            selected = [v for v, _ in once(v for v in comparable if v.cell.condition == condition)]
            values = dict.fromkeys(v.cell.value_name for v in selected)
            pictures = [dumbbells([v for v in selected if v.cell.value_name == value], board) for value in values]
            notes = dict.fromkeys(note for v in selected for note in (*v.reasons, *v.caveats))
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


def _row(verdict: Verdict, name: str, scale: Scale, index: int) -> dict[str, Any]:
    cell, published, status = verdict.cell, verdict.published, verdict.status
    ours = cell.value or 0.0
    paper_system = f"{published.system} {published.variant}".strip()
    low, high = (ours if bound is None else bound for bound in (cell.low, cell.high))
    shown = f"{cell.system}: {ours:.{verdict.decimals}f} here"
    return {
        "name": cut(name), "system": cell.system, "y": y_of(index), "sign": SIGNS[status], "status": status,
        "told": f"{shown}; {paper_system}: {published.value:g} published; {verdict.text}",
        "ours": ours, "published": published.value, "x": scale(ours), "paper_x": scale(published.value),
        "from": scale(low), "to": scale(high), "kind": status.replace(" ", "-"),
    }  # fmt: skip
