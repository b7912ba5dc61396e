"""Board, LaTeX, report, comparison and DataFrames agree on every pair of systems, in three stores."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import restorebench as rb
from restorebench.benchmark.types import FloatArray
from restorebench.reports.formats import latex
from restorebench.reports.html.page import _board
from restorebench.reports.results import Results
from restorebench.reports.tables.board import results
from restorebench.reports.tables.compare import report, shown_p
from restorebench.reports.tables.leaderboard import columns

BESIDE = ("unprocessed", "spectral-gate", "target")


def quieter(samples: FloatArray, rate: int) -> FloatArray:
    return (0.5 * samples).astype(np.float32)


def smooth(samples: FloatArray, rate: int) -> FloatArray:
    return np.convolve(samples, np.ones(5) / 5, mode="same").astype(np.float32)


STORES = {
    "demo": ("demo", {"quieter": quieter, "smooth": smooth}, 12),
    "few clips": ("demo", {"quieter": quieter}, 4),
    "distortions": ("demo-distortions", {"smooth": smooth}, 3),
}


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    suite, functions, limit = STORES[request.param]
    folder: Path = tmp_path_factory.mktemp("store")
    metrics = ["lsd", "si_sdr", "rtf"]
    return rb.evaluate(functions, suite, store=folder, beside=BESIDE, metrics=metrics, limit=limit, workers=1)


def test_all_outputs_agree_on_every_pair_of_systems(store: Results) -> None:
    board = store.summary
    board_columns = columns(board)
    pages = {c: _board(board, c, board_columns) for c in dict.fromkeys(column.condition for column in board_columns)}
    cells = store.cells().set_index(["condition", "value_name", "system"])
    pairs = list(combinations(board.plan.systems, 2))
    tables = {pair: report(board, *pair) for pair in pairs}
    frames = {pair: store.compare(*pair).set_index(["condition", "value_name"]) for pair in pairs}
    assert board_columns
    for column in board_columns:
        condition, value = column.condition, column.value
        for first, second in (pair for pair in pairs if set(pair) <= set(column.entries)):
            entries = column.entries[first], column.entries[second]
            frame_row = frames[first, second].loc[(condition, value.name)]
            [row] = [
                row
                for table in tables[first, second]
                if f": {condition} (" in table.title
                for row in table.rows
                if row[0].startswith(f"{value.label} ")
            ]
            better = row[-1].removesuffix(" is better") if row[-1].endswith(" is better") else ""
            assert {"A": first, "B": second, "": ""}[better] == frame_row["better"]
            if value.role == "speed":
                assert (row[5], entries[0].rank, entries[0].cell.low) == ("–", None, None)
                continue
            assert row[5] == shown_p(frame_row["p"])
            if entries[0].rank and entries[1].rank:
                assert bool(set(entries[0].ties) & set(entries[1].ties)) == (not better)
        for system, entry in column.entries.items():
            assert cells.loc[(condition, value.name, system), "winner"] == entry.winner
            [page_row] = [page_row for page_row in pages[condition]["rows"] if page_row["system"] == system]
            [page_cell] = [cell for cell in page_row["cells"] if cell.get("value") == value.name]
            assert (page_cell["letters"], page_cell["best"]) == (entry.ties, entry.winner)


def test_exactly_the_winners_are_bold(store: Results) -> None:
    board_columns = columns(store.summary)
    winners = sum(entry.winner for column in board_columns for entry in column.entries.values())
    tables = results(store.summary)
    assert sum(len(table.bold) for table in tables) == winners
    assert latex(tables).count(r"\textbf{") == winners
