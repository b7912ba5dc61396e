"""Transcript files: CSV with the columns `id` and `text`."""

from __future__ import annotations

from pathlib import Path

from restorebench.benchmark.data.tables import read_csv
from restorebench.benchmark.errors import RequestError


def read_texts(path: Path) -> dict[str, str]:
    """id -> text. Raises RequestError if the file lacks a column or repeats an id."""
    texts: dict[str, str] = {}
    for row in read_csv(path, ("id", "text")):
        if row["id"] in texts:
            raise RequestError(f"{path}: id {row['id']!r} occurs twice; keep one line per id")
        texts[row["id"]] = row["text"]
    return texts
