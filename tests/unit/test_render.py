"""Every format escapes text that could be read as markup, and shows the same numbers."""

import csv
import io
import os
import re
import subprocess
import sys

import pytest

from restorebench.benchmark.types import Table
from restorebench.reports import formats as render
from restorebench.reports import terminal

NASTY = "<img src=x onerror=alert(1)> a|b `c` *d* $e_f% {g} \\h #i & j"
TABLES = [
    Table(f"T {NASTY}", ("system", "SIG ↑"), ((NASTY, "3.14"), ("plain", "– (n=0/4)")), (f"note {NASTY}",)),
    Table("U", ("system", "SIG ↑"), (("x", "2.72"),)),
]


def test_bold_cells_are_marked_in_every_format_but_csv() -> None:
    table = Table("T", ("system", "SIG"), (("a_b", "1.00"), ("c", "2.00")), bold=frozenset({(1, 1)}))
    assert "| **2.00** |" in render.markdown([table])
    assert r"\textbf{2.00} \\" in render.latex([table])
    assert '<td class=" bold">2.00</td>' in render.html([table])
    assert r"\textbf{1.00}" not in render.latex([table])
    assert "**" not in render.csv([table])


@pytest.mark.parametrize("name", ["terminal", "md", "csv", "html", "latex", "json"])
def test_every_number_is_shown(name: str) -> None:
    text = render.FORMATS[name](TABLES)
    assert "3.14" in text
    assert "2.72" in text
    assert "0/4" in text


def test_html_escapes_markup() -> None:
    page = render.html(TABLES)
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_markdown_escapes_markup_and_cell_separators() -> None:
    text = render.markdown(TABLES)
    assert "<img" not in text
    [row] = [line for line in text.splitlines() if "3.14" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3


def test_latex_escapes_special_characters() -> None:
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


WIDE = Table(
    "wide", ("system", *(f"value{i} ↑" for i in range(12))), (("a", *["1.23"] * 12), ("b", *["4.56"] * 12)),
    bold=frozenset({(1, 12)}), small_print=("a signature",),
)  # fmt: skip


def test_columns_that_do_not_fit_go_to_further_tables_with_the_first_column() -> None:
    parts = terminal.split(WIDE, 60)
    assert len(parts) == 3
    assert [column for part in parts for column in part.columns[1:]] == list(WIDE.columns[1:])
    assert all(part.columns[0] == "system" and sum(terminal.widths(part)) < 60 for part in parts)
    assert [part.bold for part in parts] == [frozenset(), frozenset(), frozenset({(1, len(parts[2].columns) - 1)})]
    assert terminal.split(WIDE, 1000) == [WIDE]


def test_details_are_left_out_where_they_do_not_fit() -> None:
    table = Table("t", ("name", "rate", "summary"), (("a", "16000 Hz", "long words " * 9),), details=("rate",))
    assert terminal.fits(table, 60)
    assert not terminal.fits(table, 30)
    assert terminal.without(table, table.details).columns == ("name", "summary")


def test_a_piped_table_has_a_line_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that a terminal shows in bold is marked with a star."""
    monkeypatch.setenv("COLUMNS", "60")
    lines = render.FORMATS["terminal"]([WIDE]).splitlines()
    assert any(re.match(r" b +(4\.56 +){11}4\.56\* *$", line) for line in lines)
    assert not any("signature" in line for line in lines)
    assert "a signature" in terminal.terminal([WIDE], verbose=True)


def test_bold_shows_on_a_terminal_of_80_columns() -> None:
    """In a pseudo-terminal, an escape sequence makes the value bold, and no line is longer than 80 columns."""
    import pty

    code = (
        "import os, sys; os.environ.update(COLUMNS='80', TERM='xterm')\n"
        "from restorebench.reports.terminal import terminal\n"
        "from restorebench.benchmark.types import Table\n"
        f"sys.stdout.write(terminal([{WIDE!r}]))"
    )
    parent, child = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stdout=child, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    os.close(child)
    text = os.read(parent, 100_000).decode()
    os.close(parent)
    assert re.search(r"\x1b\[1m *4\.56\x1b\[0m", text)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(map(len, plain.splitlines())) <= 80
