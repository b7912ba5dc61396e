"""Test sets with published outputs: `published/TASK/SYSTEM/ITEM.flac`; SYSTEM `unprocessed` is the degraded input.

The task is the condition. A task without a `target` folder has no references.
"""

from __future__ import annotations

from restorebench.benchmark.data.corpora.manifest import COLUMNS, rows
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance


class Published:
    def __init__(self, tasks: list[str] | None = None) -> None:
        self.tasks = tasks

    def utterances(self) -> list[Utterance]:
        listed = rows((*COLUMNS, "system"), kind="published")
        known = {row["item"].partition("/")[0] for row in listed}
        if unknown := set(self.tasks or ()) - known:
            raise RequestError(
                f"no published tasks named {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
            )
        targets = {row["item"]: row for row in listed if row["system"] == "target"}
        utterances = [
            Utterance(
                id=row["item"].partition("/")[2],
                uri=f"data:{targets[row['item']]['path']}" if row["item"] in targets else None,
                group=row["item"].partition("/")[0],
                degraded=f"data:{row['path']}",
                sha256=row["sha256"],
                text=row["text"] or None,
                speaker=_speaker(row["item"]),
                licence=row["licence"],
            )
            for row in listed
            if row["system"] == "unprocessed" and (self.tasks is None or row["item"].partition("/")[0] in self.tasks)
        ]
        if not utterances:
            raise RequestError("manifest.csv lists no published clips; set RESTOREBENCH_DATA to a folder that has them")
        return utterances


def _speaker(item: str) -> str:
    """The speaker in a VCTK file name; "" for other sets, whose names do not contain the speaker."""
    name = item.partition("/")[2]
    return name.partition("_")[0] if "_mic1" in name else ""
