"""Tables as text: Markdown, CSV, HTML, JSON and LaTeX. Every cell is escaped for its format."""

from __future__ import annotations

import csv as csv_module
import html as html_module
import io
import json
import re
from collections.abc import Callable, Sequence

from restorebench.benchmark.types import Table
from restorebench.reports.terminal import terminal

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "⚓": r"$^\dagger$", "▪": r"$^\ddagger$",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>RestoreBench: {{ tables[0].title }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #1c1c1e; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid #e3e3e6; white-space: nowrap; }
th { border-bottom: 2px solid #1c1c1e; font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
td.bold { font-weight: 700; }
td.text { text-align: left; white-space: normal; }
ul { color: #55555c; font-size: .85rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>RestoreBench</h1>
{% for table in tables %}
<h2>{{ table.title }}</h2>
<div class="scroll"><table>
<thead><tr>{% for column in table.columns %}<th scope="col">{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}{% set row_index = loop.index0 %}<tr>
{% for cell in row %}{% set bold = (row_index, loop.index0) in table.bold -%}
<td class="{{ 'text' if cell|length > 20 }}{{ ' bold' if bold }}">{{ cell }}</td>{% endfor %}
</tr>
{% endfor %}</tbody>
</table></div>
{% if table.all_notes %}<ul>{% for note in table.all_notes %}<li>{{ note }}</li>{% endfor %}</ul>{% endif %}
{% endfor %}
</body>
</html>
"""


def markdown(tables: Sequence[Table]) -> str:
    """Markdown pipe tables; each table is a section."""
    parts = []
    for table in tables:
        lines = [f"### {_md(table.title)}", ""]
        if table.rows:
            lines += [_md_row(table.columns), _md_row(["---", *["---:"] * (len(table.columns) - 1)], escape=False)]
        for row_index, row in enumerate(table.rows):
            cells = [_md(cell) for cell in row]
            shown = [f"**{cell}**" if (row_index, column) in table.bold else cell for column, cell in enumerate(cells)]
            lines.append(_md_row(shown, escape=False))
        lines += ["", *(f"- {_md(note)}" for note in table.all_notes)]
        parts.append("\n".join(lines).rstrip() + "\n")
    return "\n".join(parts)


def _md(text: str) -> str:
    """The text on one line, with the special characters of Markdown and HTML escaped."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", html_module.escape(flat, quote=False))


def _md_row(cells: Sequence[str], escape: bool = True) -> str:
    return "| " + " | ".join(_md(cell) if escape else cell for cell in cells) + " |"


def csv(tables: Sequence[Table]) -> str:
    """The rows of all tables, with a header line wherever the columns change. Notes are left out.

    With several tables, the first column holds each table's title.
    """
    sink = io.StringIO()
    writer = csv_module.writer(sink, lineterminator="\n")
    several = len(tables) > 1
    header = None
    for table in tables:
        if table.columns != header:
            writer.writerow([*(["table"] if several else []), *table.columns])
            header = table.columns
        writer.writerows([*([table.title] if several else []), *row] for row in table.rows)
    return sink.getvalue()


def as_json(tables: Sequence[Table]) -> str:
    """A list of tables, each with its title, notes, and a mapping per row."""
    rows = [
        {
            "title": t.title,
            "notes": t.all_notes,
            "rows": [dict(zip(t.columns, row, strict=True)) for row in t.rows],
        }
        for t in tables
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def html(tables: Sequence[Table]) -> str:
    """One self-contained page."""
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(_PAGE).render(tables=tables)


def latex(tables: Sequence[Table]) -> str:
    """LaTeX tables with booktabs rules."""
    parts = []
    for table in tables:
        columns = "l" + "r" * (len(table.columns) - 1)
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(table.title)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
        ]
        lines += [
            r"\toprule",
            _tex_row(table.columns),
            r"\midrule",
            *_tex_rows(table),
        ]
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
        parts.append("\n".join(lines) + "\n" + "".join(f"% {' '.join(note.split())}\n" for note in table.all_notes))
    return "\n".join(parts)


def _tex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(_tex(cell) for cell in cells) + r" \\"


def _tex_rows(table: Table) -> list[str]:
    lines = []
    for row_index, row in enumerate(table.rows):
        cells = [_tex(cell) for cell in row]
        shown = [
            rf"\textbf{{{cell}}}" if (row_index, column) in table.bold else cell for column, cell in enumerate(cells)
        ]
        lines.append(" & ".join(shown) + r" \\")
    return lines


FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "terminal": terminal,
    "md": markdown,
    "csv": csv,
    "html": html,
    "json": as_json,
    "latex": latex,
}
