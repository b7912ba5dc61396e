"""Cells beside a paper's cells, and systems by condition: the numbers are those of the store and the paper."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import restorebench as rb
from restorebench.benchmark.types import Cell
from restorebench.reports.html.by_condition import shaded
from restorebench.reports.papers.published import cells_of, paper
from tests.conftest import Cli
from tests.html.conftest import CHROMIUM

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def test_measured_and_published_numbers_are_those_of_the_store_and_the_paper(cli: Cli, tmp_path: Path) -> None:
    command = (
        "run",
        "demo",
        "--systems",
        "unprocessed,target",
        "--metrics",
        "lsd,stoi",
        "--limit",
        "5",
        "--store",
        "s",
    )
    assert cli(*command).returncode == 0
    assert cli("report", "s", "--out", "r", "--clips", "0").returncode == 0
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    [picture] = re.findall(r'<svg[^>]*data-picture="beside"[^>]*data-paper="masksr2".*?</svg>', page, re.DOTALL)
    assert 'data-value="lsd"' in picture
    marks = re.findall(r'data-system="(.*?)" data-mean="(.*?)" data-published="(.*?)" data-verdict="(.*?)"', picture)
    means = rb.open_results(tmp_path / "s").scores.query("value_name == 'lsd'").groupby("system")["value"].mean()
    assert {name: float(mean) for name, mean, *_ in marks} == pytest.approx(means.to_dict(), rel=1e-12)
    published = {
        cell.system: cell.value
        for cell in cells_of(paper("masksr2"))
        if (cell.metric, cell.test_set) == ("lsd", "vctk-full-band") and cell.system in ("Unprocessed", "Target")
    }
    shown_published = {name.capitalize(): float(number) for name, _, number, _ in marks}
    assert shown_published == {name: number for name, number in published.items() if name in shown_published}
    assert {verdict for *_, verdict in marks} <= {"not comparable", "by definition"}
    assert "three synthetic voices" in html.unescape(page)  # the page gives the reason in words


@needs_browser
def test_every_cell_by_condition_is_a_mean_of_the_records(tab: Any, page: Path) -> None:
    records = pd.read_csv(page.parents[1] / "s" / "records.csv")
    means = records.groupby(["value_name", "system", "condition"])["value"].mean()
    tables = tab.locator("table.shaded").all()
    assert tables
    for table in tables:
        conditions = [head.text_content() for head in table.locator("thead th").all()[1:]]
        for row in table.locator("tbody tr").all():
            for condition, cell in zip(conditions, row.locator("td").all(), strict=True):
                wanted = means[table.get_attribute("data-value"), row.get_attribute("data-row"), condition]
                assert float(cell.get_attribute("data-mean")) == pytest.approx(wanted, rel=1e-12)
                assert "n=6/8" in cell.text_content()  # two of the suite's files cannot be read


def test_the_best_cell_is_shaded_most() -> None:
    def shown(mean: float | None, worst: float = 4.0, best: float = 1.0, n: int = 6) -> dict[str, Any] | None:
        return shaded(Cell("s", "c", "a", "lsd", "", mean, None, None, n, 6, ""), worst, best, 2)

    assert [(shown(mean) or {})["share"] for mean in (4.0, 2.5, 1.0)] == [0, 50, 100]
    assert shown(None) is None
    assert shaded(None, 4.0, 1.0, 2) is None
    assert (shown(3.0, 3.0, 3.0) or {})["share"] == 0
    assert [(shown(2.0, n=n) or {})["few"] for n in (6, 4)] == ["", "n=4/6"]
