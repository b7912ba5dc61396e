"""Phone labels of a corpus: aligned once and saved in the run's folder, or read from TextGrids during training.

`labels-STREAM.csv` gives the reason for each recording that could not be aligned; such recordings do not train the
phone predictor.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from restorebench.benchmark.audio import read
from restorebench.benchmark.core.atomic import open_atomic, write_atomic
from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError, reason
from restorebench.benchmark.types import Utterance
from restorebench.systems.sise.aligner import VERSION as ALIGNER_VERSION
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
from restorebench.systems.training.recordings import Progress, Recordings

MOST_UNKNOWN = 0.05
"""Largest share of the aligned speech whose phones may be outside the phone set."""
SHOWN = 8
"""Number of phones outside the set that an error message names."""
LOOKED_AT = 2000
"""Number of TextGrids that are checked before training."""


class LabelConfig(BaseModel):
    """Where alignments come from."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: Literal["pocketsphinx", "textgrid", "none"] = "pocketsphinx"
    textgrids: str = ""
    """Folder of TextGrids named as the utterances, for `textgrid` (of the Montreal Forced Aligner, as in the paper)."""
    phones: Literal["arpabet", "arpabet-pinyin", "mfa-en-zh"] | tuple[str, ...] = "arpabet"
    """The phone set: a name or a list of symbols; ARPAbet when empty."""

    @model_validator(mode="after")
    def _source(self) -> LabelConfig:
        if (self.source == "textgrid") != bool(self.textgrids):
            raise ValueError('source = "textgrid" needs a folder in textgrids; other sources take none')
        return self

    @property
    def phone_set(self) -> PhoneSet:
        return PhoneSet(NAMED_SETS[self.phones] if isinstance(self.phones, str) else self.phones or ARPABET)


class Labels(Protocol):
    """Phone classes of a stream's recordings, by recording number."""

    def crop(self, recording: int, start_s: float, frames: int, hop: int, rate: int) -> NDArray[np.int64]:
        """Classes [frame] of a crop; IGNORED throughout where the recording has no alignment."""
        ...


class Aligned:
    """Alignments in memory."""

    def __init__(self, alignments: Sequence[Alignment | None], phones: PhoneSet) -> None:
        self.alignments, self.phones = list(alignments), phones

    def crop(self, recording: int, start_s: float, frames: int, hop: int, rate: int) -> NDArray[np.int64]:
        return _cut(self.alignments[recording], self.phones, start_s, frames, hop, rate)


class TextGrids:
    """Alignments in files, each read when a crop needs it, since a corpus may have ten million files."""

    def __init__(self, folder: Path, ids: Sequence[str], phones: PhoneSet) -> None:
        self.folder, self.ids, self.phones = folder, ids, phones

    def crop(self, recording: int, start_s: float, frames: int, hop: int, rate: int) -> NDArray[np.int64]:
        alignment = self.read(recording)
        return _cut(None if isinstance(alignment, str) else alignment, self.phones, start_s, frames, hop, rate)

    def read(self, recording: int) -> Alignment | str:
        """The alignment, or why there is none."""
        try:
            return read_textgrid(self.folder / f"{self.ids[recording]}.TextGrid")
        except RequestError as error:
            return reason(error)


def _cut(
    alignment: Alignment | None, phones: PhoneSet, start_s: float, frames: int, hop: int, rate: int
) -> NDArray[np.int64]:
    if alignment is None:
        return np.full(frames, IGNORED, dtype=np.int64)
    return frame_labels(alignment, phones, start_s, frames, hop, rate)


def labels_of(
    config: LabelConfig, recordings: Recordings, table: Path, progress: Progress, required: bool = True
) -> Labels:
    """Labels from the built-in aligner or from TextGrids. `table` (.csv) lists why recordings have no alignment.

    Of more than 2000 TextGrids, 2000 evenly spaced ones are checked beforehand. Raises RequestError when more than 5 %
    of the checked speech has phones outside the set, or when `required` and nothing is aligned.
    """
    if config.source == "none":
        return Aligned([None] * len(recordings), config.phone_set)
    ids = recordings.ids
    if config.source == "textgrid":
        folder = resolve_uri(config.textgrids)
        if not folder.is_dir():
            raise RequestError(f"{config.textgrids}: no such folder of TextGrids ({folder})")
        grids = TextGrids(folder, ids, config.phone_set)
        numbers = sorted({round(recording) for recording in np.linspace(0, len(ids) - 1, min(len(ids), LOOKED_AT))})
        checked = [(ids[recording], grids.read(recording)) for recording in numbers]
        _report(checked, config.phone_set, table, required)
        return grids
    results = _aligned(recordings.utterances(), table.with_suffix(".json"), progress)
    _report(list(zip(ids, results, strict=True)), config.phone_set, table, required)
    return Aligned([None if isinstance(result, str) else result for result in results], config.phone_set)


def _aligned(utterances: Sequence[Utterance], cache_file: Path, progress: Progress) -> list[Alignment | str]:
    """Alignments by the built-in aligner, or the reason for none; results in `cache_file` (.json) are reused."""
    cached = json.loads(cache_file.read_text(encoding="utf-8")) if cache_file.is_file() else {}
    alignments: dict[str, Alignment | str] = {}

    def steps() -> Iterator[int]:
        for utterance in utterances:
            key = _alignment_key(utterance)
            alignments[key] = _load(cached[key]) if key in cached else _align(utterance)
            yield 1

    progress("align", len(utterances), steps())
    write_atomic(cache_file, json.dumps({key: _dump(value) for key, value in alignments.items()}).encode())
    return [alignments[_alignment_key(utterance)] for utterance in utterances]


def _alignment_key(utterance: Utterance) -> str:
    return f"pocketsphinx@{ALIGNER_VERSION} {utterance.uri} {utterance.text or ''}"


def _report(aligned: Sequence[tuple[str, Alignment | str]], phones: PhoneSet, table: Path, required: bool) -> None:
    """Writes the table and prints a summary.

    Raises RequestError for a wrong phone set, or if `required` is true and no recording is aligned.
    """
    with open_atomic(table) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("utterance", "why_not"))
        writer.writerows((clip, result if isinstance(result, str) else "") for clip, result in aligned)
    alignments = [result for _, result in aligned if not isinstance(result, str)]
    if required and aligned and not alignments:
        raise RequestError(f"none of {len(aligned)} recordings could be aligned; the first reason: {aligned[0][1]}")
    share, outside = unknown_share(alignments, phones)
    if share > MOST_UNKNOWN:
        # All unknown phones have the same class, so the predictor could not tell them apart.
        examples = ", ".join(outside[:SHOWN])
        raise RequestError(
            f"{share:.0%} of the aligned speech has phones outside the set, such as {examples}; at most "
            f"{MOST_UNKNOWN:.0%} may: set phones under [labels] to {' or '.join(NAMED_SETS)}, or to the list of symbols"
        )
    print(
        f"labels: {len(alignments)} of {len(aligned)} checked recordings are aligned, {1 - share:.1%} of their "
        f"speech has known phones ({table})",
        file=sys.stderr,
    )


def _align(utterance: Utterance) -> Alignment | str:
    """The alignment, or why there is none."""
    assert utterance.uri is not None
    if not utterance.text:
        return "no transcript"
    if utterance.language != "en":
        return f"the built-in aligner aligns only English; this is {utterance.language!r}"
    from restorebench.systems.sise.aligner import align

    try:
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
