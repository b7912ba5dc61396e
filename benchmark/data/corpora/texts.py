"""Transcript files: CSV with the columns `id` and `text`."""

from __future__ import annotations

import csv
from pathlib import Path

from restorebench.benchmark.errors import RequestError


def read_texts(path: Path) -> dict[str, str]:
    """id -> text. Raises RequestError when the file or a column is missing, or an id stands twice."""
    if not path.is_file():
        raise RequestError(f"{path}: no such file; wanted a CSV with the columns id,text")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not {"id", "text"} <= set(reader.fieldnames or ()):
            raise RequestError(f"{path}: columns {reader.fieldnames}; wanted id,text")
        texts: dict[str, str] = {}
        for row in reader:
            if row["id"] in texts:
                raise RequestError(f"{path}: id {row['id']!r} stands twice; keep one line per id")
            texts[row["id"]] = row["text"]
    return texts
