"""Scores a folder of finished audio, with or without references and transcripts: `restorebench score`.

The table has a row for every id among the estimates and the references (without references: the estimates and the
transcripts). A missing estimate gives a row with an error. An id is the path below the folder without suffix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from restorebench.benchmark.audio import read
from restorebench.benchmark.components import metric_card, require_weights, resolve_metrics
from restorebench.benchmark.contracts import Subject
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.core.files import files_below
from restorebench.benchmark.core.pool import Workers
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.core.text import decodable
from restorebench.benchmark.data.corpora.texts import read_texts
from restorebench.benchmark.data.locations import AUDIO_SUFFIXES, file_sha256
from restorebench.benchmark.errors import MAY_PASS, AudioError, RequestError, reason
from restorebench.benchmark.folders.kept_rows import KeptRows
from restorebench.benchmark.isolation.environments import build, used_by
from restorebench.benchmark.plan.keys import signature
from restorebench.benchmark.run.alignment import DELAYED_MS
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import delay_ms, failure, metric, score
from restorebench.benchmark.types import Outcome

INTEGER_PEAK = 100.0
"""Peak above which a file's samples are probably 16-bit integers and not relative to a full scale of 1."""


@dataclass(frozen=True)
class FileUnit:
    id: str
    estimate: tuple[Path, ...]
    """Files with this id: one; none if the estimate is missing; several if they differ in their suffix only."""
    reference: tuple[Path, ...] | None
    text: str | None
    language: str
    metrics: tuple[str, ...]


def score_files(
    estimates: Path,
    metrics: Sequence[str],
    references: Path | None = None,
    texts: Path | None = None,
    language: str = "en",
    workers: int = 1,
    progress: Progress = silent,
    kept: KeptRows | None = None,
) -> pd.DataFrame:
    """One row per id, sorted by id.

    Columns: `id`, one per value, then `<metric>.error` where a value is missing, and `hint` for a suspicious file.
    kept: rows of earlier runs, which are reused where files, texts and metrics are the same; new rows are added.
    Raises RequestError for an unusable metric, or a folder or table that cannot be read.
    """
    names = resolve_metrics(metrics)
    for name in names:
        needs = metric_card(name).needs
        if "reference" in needs and references is None:
            raise RequestError(f"metric {name} compares with clean references; give --references DIR or leave it out")
        if "text" in needs and texts is None:
            raise RequestError(
                f"metric {name} needs transcripts; give --texts FILE.csv (columns id,text) or leave it out"
            )
        if "seconds" in needs:
            raise RequestError(f"metric {name} measures the time of a running system, not finished files; leave it out")
    cards = [metric_card(name) for name in names]
    require_weights(cards)
    build(used_by((card.name, card.environment) for card in cards), progress)
    if any(card.environment for card in cards):
        workers = 1  # a component in its own environment must be in memory only once
    units = _units(estimates, references, texts, language, names)
    keys = {unit.id: _key(unit) for unit in units} if kept else {}
    earlier = {key: row for key, row in kept.read().items() if _is_complete(row, names)} if kept else {}
    rows = {unit.id: dict(earlier[keys[unit.id]]) for unit in units if keys.get(unit.id) in earlier}
    todo = [unit for unit in units if unit.id not in rows]
    with Workers(max(1, min(workers, len(todo)))) as pool:

        def steps() -> Iterator[int]:
            for row in pool.map(score_file, todo, _died, metric_by_metric):
                clip = str(row["id"])
                yield int(clip not in rows)  # a clip whose worker died gives a row per metric
                rows.setdefault(clip, {}).update(row)
                if kept and keys[clip]:
                    kept.add(keys[clip], rows[clip])

        progress("score", len(todo), steps())
    return table(list(rows.values()), names)


def _key(unit: FileUnit) -> str:
    """Hash of all that a row depends on: file contents, transcript, metrics; "" where a file cannot be read."""
    try:
        files = [file_sha256(path) for path in (*unit.estimate, *(unit.reference or ())) if path.is_file()]
    except (OSError, AudioError):
        return ""
    signatures = [signature(metric_card(name)) for name in unit.metrics]
    return digest(unit.id, *files, str(unit.reference is None), unit.text or "", unit.language, *signatures)


def _is_complete(row: Mapping[str, object], names: Sequence[str]) -> bool:
    """Whether a kept row has an entry for every value, and no failure that another run may avoid (`MAY_PASS`)."""
    values = {value.name for name in names for value in metric_card(name).values}
    return values <= row.keys() and not any(MAY_PASS in str(row.get(f"{name}.error", "")) for name in names)


def metric_by_metric(unit: FileUnit) -> list[FileUnit]:
    """A unit for each metric, so that a metric that kills its worker loses only its own values."""
    return [replace(unit, metrics=(name,)) for name in unit.metrics]


def table(rows: Sequence[dict[str, object]], names: Sequence[str]) -> pd.DataFrame:
    """The rows sorted by id, with the columns in the order that `score_files` documents."""
    values = [value.name for name in names for value in metric_card(name).values]
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    errors = [c for name in names if (c := f"{name}.error") in frame and frame[c].notna().any()]
    hints = ["hint"] if "hint" in frame and frame["hint"].notna().any() else []
    return frame.reindex(columns=["id", *values, *errors, *hints])


def _units(
    estimates: Path, references: Path | None, texts: Path | None, language: str, names: tuple[str, ...]
) -> list[FileUnit]:
    by_id = files_by_id(estimates)
    clean_files = files_by_id(references) if references else None
    transcripts = read_texts(texts) if texts else None
    if clean_files is not None:
        ids = set(clean_files) | set(by_id)
    elif transcripts is not None:
        ids = set(transcripts) | set(by_id)
    else:
        ids = set(by_id)
    return [
        FileUnit(
            id=clip,
            estimate=by_id.get(clip, ()),
            reference=None if clean_files is None else clean_files.get(clip, ()),
            text=transcripts.get(clip) if transcripts else None,
            language=language,
            metrics=names,
        )
        for clip in sorted(ids)
    ]


def files_by_id(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Audio files below a folder by id. Raises RequestError when the folder cannot be read or holds none."""
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder; wanted a folder of audio files")
    by_id: dict[str, tuple[Path, ...]] = {}
    try:
        paths = files_below(folder, AUDIO_SUFFIXES)
        next(folder.iterdir(), None)
    except PermissionError as error:
        raise RequestError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    for path in paths:
        clip = decodable(path.relative_to(folder).with_suffix("").as_posix())
        by_id[clip] = (*by_id.get(clip, ()), path)
    if not by_id:
        raise RequestError(f"{folder}: holds no audio files ({', '.join(sorted(AUDIO_SUFFIXES))})")
    return by_id


def score_file(unit: FileUnit) -> dict[str, object]:
    """The row of one id."""
    estimate: SharedClip | str
    try:
        estimate = SharedClip(read(_only(unit.estimate, "estimate")))
    except Exception as error:
        estimate = reason(error)
    reference, unusable = None, ""
    if unit.reference is not None:
        try:
            reference = SharedClip(read(_only(unit.reference, "reference")))
        except Exception as error:
            unusable = f"reference: {reason(error)}"
    row: dict[str, object] = {"id": unit.id}
    for name in unit.metrics:
        scorer = metric(name)
        if unusable and "reference" in scorer.card.needs:
            outcome = failure(scorer.card, unusable)
        else:
            subject = Subject(reference=reference, text=unit.text, language=unit.language)
            outcome = score(scorer, subject, [estimate])[0]
        row |= _columns(name, dict(outcome))
    if hints := hints_of(estimate, reference):
        row["hint"] = "; ".join(hints)
    return row


def hints_of(estimate: SharedClip | str, reference: SharedClip | None) -> list[str]:
    """Messages about samples that look like 16-bit integers, and about a delay against the reference."""
    if isinstance(estimate, str):
        return []
    hints = []
    peak = float(np.abs(estimate.audio.samples).max())
    if peak > INTEGER_PEAK:
        hints.append(f"samples reach {peak:.0f}, wanted about 1: 16-bit numbers written as floats? divide by 32768")
    if reference is not None:
        try:
            delay = delay_ms(estimate, reference)
        except AudioError:
            return hints
        if abs(delay) >= DELAYED_MS:
            when = "late" if delay > 0 else "early"
            hints.append(
                f"{abs(delay):.3g} ms {when} against its reference; metrics such as si_sdr@aligned remove the delay"
            )
    return hints


def _columns(name: str, outcomes: dict[str, Outcome]) -> dict[str, object]:
    reasons = sorted({o.why for o in outcomes.values() if o.why})
    columns: dict[str, object] = {value: outcome.value for value, outcome in outcomes.items()}
    return columns | ({f"{name}.error": "; ".join(reasons)} if reasons else {})


def _only(paths: tuple[Path, ...], role: str) -> Path:
    if not paths:
        raise RequestError(f"there is no {role} with this id")
    if len(paths) > 1:
        raise RequestError(f"{len(paths)} {role}s share this id ({', '.join(p.name for p in paths)}); keep one")
    return paths[0]


def _died(unit: FileUnit, why: str) -> dict[str, object]:
    row: dict[str, object] = {"id": unit.id}
    for name in unit.metrics:
        row |= _columns(name, dict(failure(metric_card(name), why)))
    return row
