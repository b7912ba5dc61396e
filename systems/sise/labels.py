"""Phone labels of a corpus: aligned once, kept in the run's folder, cut to crops while training.

What could not be aligned is listed in `labels-STREAM.csv` with the reason; its frames teach the predictor nothing.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from restorebench.benchmark.audio import read
from restorebench.benchmark.core.atomic import open_atomic, write_atomic
from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError, reason
from restorebench.benchmark.types import Utterance
from restorebench.systems.sise.phonemes import (
    ARPABET,
    IGNORED,
    NAMED_SETS,
    Alignment,
    Interval,
    PhoneSet,
    frame_labels,
    read_textgrid,
    unknown_share,
)

MOST_UNKNOWN = 0.05
SHOWN = 8


class LabelConfig(BaseModel):
    """Where alignments come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["pocketsphinx", "textgrid", "none"] = "pocketsphinx"
    textgrids: str = ""
    """Folder of TextGrids named as the utterances, for `textgrid` (Montreal Forced Aligner, the paper's way)."""
    phones: Literal["arpabet", "mfa-en-zh"] | tuple[str, ...] = "arpabet"
    """The phone set: one of a name, or its symbols; ARPAbet when empty."""

    @model_validator(mode="after")
    def _source(self) -> LabelConfig:
        if (self.source == "textgrid") != bool(self.textgrids):
            raise ValueError('source = "textgrid" and a folder of textgrids go together')
        return self

    @property
    def phone_set(self) -> PhoneSet:
        return PhoneSet(NAMED_SETS[self.phones] if isinstance(self.phones, str) else self.phones or ARPABET)


class Labels:
    """Alignments of a stream's recordings, by number."""

    def __init__(self, alignments: Sequence[Alignment | None], phones: PhoneSet) -> None:
        self.alignments, self.phones = list(alignments), phones

    def crop(self, recording: int, start_s: float, frames: int, hop: int, rate: int) -> NDArray[np.int64]:
        """Classes [frame] of a crop; IGNORED throughout where the recording has no alignment."""
        alignment = self.alignments[recording]
        if alignment is None:
            return np.full(frames, IGNORED, dtype=np.int64)
        return frame_labels(alignment, self.phones, start_s, frames, hop, rate)


def labels_of(
    config: LabelConfig, utterances: Sequence[Utterance], table: Path,
    progress: Callable[[str, int, Iterator[int]], None],
) -> Labels:  # fmt: skip
    """Aligns what has a transcript or a TextGrid, once. `table` (.csv) lists every utterance and what went wrong."""
    if config.source == "none":
        return Labels([None] * len(utterances), config.phone_set)
    if config.textgrids and not Path(config.textgrids).is_dir():
        raise RequestError(f"{config.textgrids}: no such folder of TextGrids")
    kept = table.with_suffix(".json")
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    made: dict[str, Alignment | str] = {}

    def steps() -> Iterator[int]:
        for utterance in utterances:
            key = f"{config.source} {utterance.uri} {utterance.text or ''}"
            made[key] = _load(known[key]) if key in known else _align(config, utterance)
            yield 1

    progress("align", len(utterances), steps())
    write_atomic(kept, json.dumps({key: _dump(value) for key, value in made.items()}).encode())
    results = [made[f"{config.source} {u.uri} {u.text or ''}"] for u in utterances]
    with open_atomic(table) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("utterance", "why_not"))
        writer.writerows(
            (u.id, result if isinstance(result, str) else "") for u, result in zip(utterances, results, strict=True)
        )
    alignments = [None if isinstance(result, str) else result for result in results]
    _require_known([found for found in alignments if found is not None], config.phone_set)
    return Labels(alignments, config.phone_set)


def _require_known(alignments: Sequence[Alignment], phones: PhoneSet) -> None:
    """Raises RequestError when the phone set is not that of the alignments: unknown phones would all be one class."""
    share, outside = unknown_share(alignments, phones)
    if share > MOST_UNKNOWN:
        named = ", ".join(outside[:SHOWN])
        raise RequestError(
            f"{share:.0%} of the aligned speech has phones outside the set, such as {named}; at most "
            f"{MOST_UNKNOWN:.0%} may: set phones under [labels] to {' or '.join(NAMED_SETS)}, or to the list of symbols"
        )


def _align(config: LabelConfig, utterance: Utterance) -> Alignment | str:
    """The alignment, or why there is none."""
    assert utterance.uri is not None
    try:
        if config.source == "textgrid":
            return read_textgrid(Path(config.textgrids) / f"{utterance.id}.TextGrid")
        if not utterance.text:
            return "no transcript"
        if utterance.language != "en":
            return f"the built-in aligner is English; this is {utterance.language!r}"
        from restorebench.systems.sise.aligner import align

        return align(read(resolve_uri(utterance.uri)), utterance.text)
    except (AudioError, RequestError) as error:
        return reason(error)


def _dump(value: Alignment | str) -> object:
    return value if isinstance(value, str) else asdict(value)


def _load(value: object) -> Alignment | str:
    if isinstance(value, str):
        return value
    assert isinstance(value, dict)
    tiers = {name: tuple(Interval(**interval) for interval in value[name]) for name in ("phones", "words")}
    return Alignment(**tiers)
