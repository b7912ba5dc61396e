"""Clips listed in the data folder's manifest.csv: path, kind, split, item, speaker, text, licence, sha256."""

from __future__ import annotations

from collections.abc import Sequence

from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.data.tables import read_csv
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance

COLUMNS = ("path", "kind", "split", "item", "speaker", "text", "licence", "sha256")


def rows(columns: Sequence[str] = COLUMNS, **wanted: str) -> list[dict[str, str]]:
    """Manifest lines whose columns have the wanted values; a value ending in `/` is a path prefix.

    Raises RequestError if there is no manifest, or if it lacks one of `columns`.
    """
    path = resolve_uri("data:manifest.csv")
    if not path.is_file():
        raise RequestError(f"{path}: no such manifest; set RESTOREBENCH_DATA to the folder that holds manifest.csv")
    return [
        row
        for row in read_csv(path, columns)
        if all(row[k].startswith(v) if v.endswith("/") else row[k] == v for k, v in wanted.items())
    ]


class Manifest:
    def __init__(self, under: str | Sequence[str], split: str) -> None:
        """under: one folder below the data folder, or several; the clips follow the order of the folders."""
        self.under = [folder.rstrip("/") + "/" for folder in ([under] if isinstance(under, str) else under)]
        self.split = split

    def utterances(self) -> list[Utterance]:
        speech_rows = []
        for folder in self.under:
            folder_rows = rows(path=folder, kind="speech", split=self.split)
            if not folder_rows:
                raise RequestError(
                    f"manifest.csv lists no speech under {folder} in split {self.split!r}; name another folder or split"
                )
            speech_rows += folder_rows
        return [
            Utterance(
                id=row["item"],
                uri=f"data:{row['path']}",
                sha256=row["sha256"],
                text=row["text"] or None,
                speaker=row["speaker"],
                licence=row["licence"],
            )
            for row in speech_rows
        ]
