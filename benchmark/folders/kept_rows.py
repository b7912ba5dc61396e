"""Stores finished rows of a table in a file beside it, so that a stopped command can be continued."""

from __future__ import annotations

import json
from pathlib import Path

from restorebench.benchmark.core.text import read_text


class KeptRows:
    """Finished rows by key, in the file `.NAME.rows` beside the table. `out`: path of the table."""

    def __init__(self, out: Path) -> None:
        self.path = out.with_name(f".{out.name}.rows")

    def read(self) -> dict[str, dict[str, object]]:
        """Key -> row, from earlier runs of the command; an incomplete line is left out."""
        rows: dict[str, dict[str, object]] = {}
        for line in read_text(self.path).split("\n") if self.path.is_file() else []:
            try:
                key, row = json.loads(line)
            except ValueError:
                continue
            rows[key] = row
        return rows

    def add(self, key: str, row: dict[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, row], default=float) + "\n")

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
