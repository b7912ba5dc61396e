"""Strict reader of hand-written CSV tables: a formatting mistake raises an error and cannot change a number."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path

from restorebench.benchmark.core.text import read_text
from restorebench.benchmark.errors import RequestError


def read_csv(path: Path, wanted: Collection[str]) -> list[dict[str, str]]:
    """The rows of `numbered_rows`, without their line numbers."""
    return [row for _, row in numbered_rows(path, wanted)]


def numbered_rows(path: Path, wanted: Collection[str]) -> list[tuple[int, dict[str, str]]]:
    """The line number and content of each row below a CSV file's header; blank lines are left out.

    Args:
        path: The file: UTF-8, with or without a byte order mark.
        wanted: Columns that must be there; there may be more.

    Raises:
        RequestError: The file or a column is missing, the encoding is not UTF-8, a row has more or fewer fields than
            the header (a comma within an unquoted text), or a quotation mark is not closed.
    """
    columns = ",".join(wanted)
    if not path.is_file():
        raise RequestError(f"{path}: no such file; wanted a CSV with the columns {columns}")
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)  # lines end at \n or \r, not at U+2028
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        header = next(reader, [])
        if not set(wanted) <= set(header):
            raise RequestError(f"{path}: columns {header}; wanted {columns}")
        first_line = reader.line_num + 1
        for row in reader:
            if len(row) not in (0, len(header)):
                hint = (
                    "put text with commas between quotation marks"
                    if len(row) > len(header)
                    else "add the missing fields"
                )
                raise RequestError(f"{path}: line {first_line} has {len(row)} fields, wanted {len(header)}; {hint}")
            if reader.line_num > first_line:
                raise RequestError(
                    f"{path}: the row of line {first_line} ends in line {reader.line_num}; close its quotation mark"
                )
            rows += [(first_line, dict(zip(header, row, strict=True)))] if row else []
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise RequestError(f"{path}: line {reader.line_num}: {error}; quotation marks enclose a whole field") from error
    return rows
