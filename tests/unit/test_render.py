"""Every format escapes what could be read as markup, and shows the same figures."""

import csv
import io
import re

import pytest

from restorebench.benchmark import registry
from restorebench.benchmark.types import Table
from restorebench.reports import render

NASTY = "<img src=x onerror=alert(1)> a|b `c` *d* $e_f% {g} \\h #i & j"
TABLES = [
    Table(f"T {NASTY}", ("system", "SIG ↑"), ((NASTY, "3.14"), ("plain", "– (n=0/4)")), (f"note {NASTY}",)),
    Table("U", ("system", "SIG ↑"), (("x", "2.72"),)),
]


def test_winners_stand_out() -> None:
    table = Table("T", ("system", "SIG"), (("a_b", "1.00"), ("c", "2.00")), bold=frozenset({(1, 1)}))
    assert "| **2.00** |" in render.markdown([table])
    assert r"\textbf{2.00} \\" in render.latex([table])
    assert '<td class=" bold">2.00</td>' in render.html([table])
    assert r"\textbf{1.00}" not in render.latex([table])
    assert "**" not in render.csv([table])


@pytest.mark.parametrize("name", ["terminal", "md", "csv", "html", "latex", "json"])
def test_every_figure_is_shown(name: str) -> None:
    text = registry.find("renderers", name)(TABLES)
    assert "3.14" in text
    assert "2.72" in text
    assert "0/4" in text


def test_html_is_text() -> None:
    page = render.html(TABLES)
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_markdown_is_text_in_one_row() -> None:
    text = render.markdown(TABLES)
    assert "<img" not in text
    [row] = [line for line in text.splitlines() if "3.14" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3


def test_latex_special_characters() -> None:
    text = render.latex(TABLES)
    body = next(line for line in text.splitlines() if "3.14" in line)
    cell = body.partition(" & 3.14")[0]
    assert r"\textless{}img" in cell
    assert r"\$e\_f\%" in cell
    assert r"\{g\}" in cell
    assert r"\textbackslash{}h" in cell
    assert not re.search(r"(?<!\\)[&%#_]", cell)


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(render.csv(TABLES))))
    assert rows[0] == ["table", "system", "SIG ↑"]
    assert rows[1] == [TABLES[0].title, NASTY, "3.14"]
    assert len(rows) == 4


def test_a_wide_table_is_turned_for_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    numbers = (("a", *["1.23"] * 12), ("b", *["4.56"] * 12))
    wide = Table("wide", ("system", *(f"value{i} ↑" for i in range(12))), numbers)
    lines = render.terminal([wide]).splitlines()
    assert any(re.match(r" value11 ↑ +1.23 +4.56", line) for line in lines)
    assert max(map(len, lines)) <= 60
