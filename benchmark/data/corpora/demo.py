"""The bundled demo speech: 60 Harvard sentences by two neural voices (24, 22.05 kHz) and four flite voices (16 kHz).

`demo_audio/render.sh` rendered the flite voices, `.ci/demo_speech.py` the neural voices.
"""

from __future__ import annotations

import csv

from restorebench.benchmark.data.locations import BUNDLE, file_sha256
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Utterance

LICENCES = {"hibari": "speech of hibari-tts (Apache-2.0)", "joe": "speech of Piper's voice joe (CC0)"}


class Demo:
    def __init__(self, ids: list[str] | None = None) -> None:
        """ids: the clips to use, in this order; default: all."""
        self.ids = ids

    def utterances(self) -> list[Utterance]:
        with (BUNDLE / "texts.csv").open(encoding="utf-8", newline="") as file:
            rows = {row["id"]: row for row in csv.DictReader(file, delimiter="|")}
        if unknown := set(self.ids or ()) - set(rows):
            raise RequestError(f"the bundled speech has no clips named {', '.join(sorted(unknown))}; see texts.csv")
        return [
            Utterance(
                id=name,
                uri=f"demo:{name}.flac",
                sha256=file_sha256(BUNDLE / f"{name}.flac"),
                text=rows[name]["text"],
                speaker=rows[name]["speaker"],
                licence=LICENCES.get(rows[name]["speaker"], "CMU flite voices (free)"),
            )
            for name in self.ids or rows
        ]
