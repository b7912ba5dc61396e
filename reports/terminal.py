"""Tables at a terminal: only a text column at the end is wrapped; columns that do not fit are printed below.

A piped table has one line per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from restorebench.benchmark.types import Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

GAP = 2
"""Spaces between columns."""
PIPED_WIDTH = 100_000
"""Characters per line when standard output is no terminal: enough that no line is wrapped."""
LONGEST_WORDS = 28
"""Characters; only a longer text in the last column may be wrapped."""


def terminal(tables: Sequence[Table], wide: bool = False, verbose: bool = False) -> str:
    """Tables as text, in bold and colour when standard output is a terminal.

    Args:
        tables: The tables to print.
        wide: Prints every column without wrapping; the terminal wraps lines that are too long.
        verbose: Also prints the tables' small print.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        tables = [with_stars(table) for table in tables]
    if wide or not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    width = console.width
    with console.capture() as capture:
        for table in tables:
            shown = table if wide or fits(table, width) else without(table, table.details)
            for part in split(shown, width):
                grid = _grid(part)
                console.print(grid if part.rows else Text(part.title, style="italic"))
            for note in (*table.notes, *(table.small_print if verbose else ())):
                console.print(Text(f"  {note}", style="dim"))
            if table.small_print and not verbose and console.is_terminal:
                console.print(Text("  --verbose: signatures and other small print", style="dim"))
    return capture.get()


def with_stars(table: Table) -> Table:
    """The table with a star where a terminal has bold, and a note that says so."""
    rows = tuple(
        tuple(f"{cell}*" if (row_number, column) in table.bold else cell for column, cell in enumerate(row))
        for row_number, row in enumerate(table.rows)
    )
    return replace(table, rows=rows, notes=tuple(note.replace("bold: ", "*: ", 1) for note in table.notes))


def widths(table: Table) -> list[int]:
    """Characters of the widest cell of each column."""
    return [max(len(line[column]) for line in (table.columns, *table.rows)) for column in range(len(table.columns))]


def fits(table: Table, width: int) -> bool:
    """Whether the table fits the width; a text column at the end may be wrapped at words."""
    columns = widths(table)
    if _ends_in_text(table):
        columns[-1] = min(columns[-1], LONGEST_WORDS)
    return sum(columns) + GAP * (len(columns) - 1) <= width


def without(table: Table, names: Sequence[str]) -> Table:
    """The table without the named columns."""
    kept_columns = [column for column, name in enumerate(table.columns) if name not in names]
    bold = frozenset((row, kept_columns.index(column)) for row, column in table.bold if column in kept_columns)
    rows = tuple(tuple(row[column] for column in kept_columns) for row in table.rows)
    return replace(table, columns=tuple(table.columns[column] for column in kept_columns), rows=rows, bold=bold)


def split(table: Table, width: int) -> list[Table]:
    """The table in parts that fit, each with the first column; a table with a text column at the end is not split."""
    if fits(table, width) or _ends_in_text(table):
        return [table]
    columns = widths(table)
    parts: list[list[int]] = [[0]]
    for column in range(1, len(columns)):
        used = sum(columns[i] + GAP for i in parts[-1])
        if used + columns[column] > width and len(parts[-1]) > 1:
            parts.append([0])
        parts[-1].append(column)
    numbers = range(len(columns))
    tables = [without(table, [table.columns[column] for column in numbers if column not in part]) for part in parts]
    return [tables[0], *(replace(part, title="") for part in tables[1:])]


def _ends_in_text(table: Table) -> bool:
    return any(" " in row[-1] and len(row[-1]) > LONGEST_WORDS for row in table.rows)


def _grid(table: Table) -> RichTable:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    title = Text(table.title) if table.title else None
    grid = RichTable(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    has_text = _ends_in_text(table)
    for at, column in enumerate(table.columns):
        last = at == len(table.columns) - 1
        numbers = at > 0 and not has_text
        grid.add_column(
            Text(column), justify="right" if numbers else "left", no_wrap=not (has_text and last), overflow="fold"
        )
    for row_number, row in enumerate(table.rows):
        styles = ("bold" if (row_number, at) in table.bold else "" for at in range(len(row)))
        grid.add_row(*(Text(cell, style=style) for cell, style in zip(row, styles, strict=True)))
    return grid
