"""Board, LaTeX, report, compare and DataFrames say one thing of a pair of systems: over three stores, every pair."""

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


def test_every_page_says_the_same_of_a_pair(store: Results) -> None:
    board = store.summary
    found = columns(board)
    pages = {c: _board(board, c, found) for c in dict.fromkeys(column.condition for column in found)}
    cells = store.cells().set_index(["condition", "value_name", "system"])
    pairs = list(combinations(board.plan.systems, 2))
    tables = {pair: report(board, *pair) for pair in pairs}
    frames = {pair: store.compare(*pair).set_index(["condition", "value_name"]) for pair in pairs}
    assert found
    for column in found:
        condition, value = column.condition, column.value
        for first, second in (pair for pair in pairs if set(pair) <= set(column.entries)):
            entries = column.entries[first], column.entries[second]
            told = frames[first, second].loc[(condition, value.name)]
            [row] = [
                row
                for table in tables[first, second]
                if f": {condition} (" in table.title
                for row in table.rows
                if row[0].startswith(f"{value.label} ")
            ]
            better = row[-1].removesuffix(" is better") if row[-1].endswith(" is better") else ""
            assert {"A": first, "B": second, "": ""}[better] == told["better"]
            if value.role == "speed":
                assert (row[5], entries[0].rank, entries[0].cell.low) == ("–", None, None)
                continue
            assert row[5] == shown_p(told["p"])
            if entries[0].rank and entries[1].rank:
                assert bool(set(entries[0].ties) & set(entries[1].ties)) == (not better)
        for system, entry in column.entries.items():
            assert cells.loc[(condition, value.name, system), "winner"] == entry.winner
            [line] = [line for line in pages[condition]["rows"] if line["system"] == system]
            [shown] = [cell for cell in line["cells"] if cell.get("value") == value.name]
            assert (shown["letters"], shown["best"]) == (entry.ties, entry.winner)


def test_what_is_bold_is_a_winner(store: Results) -> None:
    found = columns(store.summary)
    winners = sum(entry.winner for column in found for entry in column.entries.values())
    tables = results(store.summary)
    assert sum(len(table.bold) for table in tables) == winners
    assert latex(tables).count(r"\textbf{") == winners
