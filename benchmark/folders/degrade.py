"""Writes a degraded test set as files with a manifest of recipes and hashes; verifies the files against the manifest.

manifest.jsonl   one line per clip: id, condition, text, speaker, licence, rate, samples, recipe, sha256 of both sounds
reference/CONDITION/ID.flac, degraded/CONDITION/ID.flac    24 bits, exactly as rendered
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorebench.benchmark import registry
from restorebench.benchmark.audio import read, write_grid
from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.core.files import files_below
from restorebench.benchmark.core.pool import Workers
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.core.text import read_text, require_id
from restorebench.benchmark.errors import AudioError, RequestError, reason
from restorebench.benchmark.run.pairs import make_pair
from restorebench.benchmark.types import Trial

MANIFEST = "manifest.jsonl"
SIDES = ("reference", "degraded")


@dataclass(frozen=True)
class WriteUnit:
    trial: Trial
    out: Path


def write(trials: Sequence[Trial], out: Path, workers: int, progress: Progress = silent) -> list[str]:
    """Writes the pairs of trials and their manifest; returns an error line per failed clip."""
    if (out / MANIFEST).exists():
        raise RequestError(f"{out}: holds a test set already ({MANIFEST}); name an empty folder")
    if any(t.utterance.degraded is not None for t in trials):
        raise RequestError(
            "this suite's clips are degraded already: there is nothing to degrade; score the suite with `run`"
        )
    lines: dict[str, dict[str, object]] = {}

    def steps(results: Iterator[dict[str, object]]) -> Iterator[int]:
        for line in results:
            lines[str(line["id"])] = line
            yield 1

    with Workers(min(workers, len(trials))) as pool:
        progress("degrade", len(trials), steps(pool.map(write_unit, [WriteUnit(t, out) for t in trials], _died)))
    entries = [lines[t.id] for t in trials if "why" not in lines[t.id]]
    write_atomic(out / MANIFEST, "".join(json.dumps(line, sort_keys=True) + "\n" for line in entries).encode())
    return [f"{t.id}: {lines[t.id]['why']}" for t in trials if "why" in lines[t.id]]


def write_unit(unit: WriteUnit) -> dict[str, object]:
    trial = unit.trial
    try:
        corruption = registry.create("corruptions", trial.recipe.corruption) if trial.recipe else None
        pair = make_pair(trial.utterance, trial.recipe, corruption)
        assert pair.reference is not None
        assert trial.recipe is not None
    except Exception as error:
        return {"id": trial.id, "why": reason(error)}
    sounds = {"reference": pair.reference, "degraded": pair.degraded}
    for side, audio in sounds.items():
        write_grid(unit.out / side / f"{trial.id}.flac", audio)
    utterance = trial.utterance
    return {
        "id": trial.id,
        "condition": trial.condition,
        "text": utterance.text,
        "speaker": utterance.speaker,
        "licence": utterance.licence,
        "rate": pair.degraded.rate,
        "samples": len(pair.degraded.samples),
        "recipe": json.loads(trial.recipe.to_json()),
        **{f"{side}_sha256": audio.sha256() for side, audio in sounds.items()},
    }


def _died(unit: WriteUnit, why: str) -> dict[str, object]:
    return {"id": unit.trial.id, "why": why}


def _lines(path: Path) -> list[dict[str, Any]]:
    """The manifest's entries. Raises RequestError for an invalid line, or an id that is a path outside the folder."""
    lines = []
    for number, text in enumerate(read_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            require_id(line["id"], f"{path}, line {number}")
            lines.append({name: line[name] for name in ("id", *(f"{side}_sha256" for side in SIDES))})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RequestError(f"{path}, line {number}: not a valid line of a manifest ({reason(error)})") from error
    return lines


def verify(folder: Path) -> tuple[int, list[str]]:
    """The number of clips, and a line per wrong, missing or unlisted file. Raises RequestError without a manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        raise RequestError(f"{folder}: no {MANIFEST}; wanted a folder that `restorebench degrade` wrote")
    lines = _lines(path)
    faults = []
    for line in lines:
        for side in SIDES:
            try:
                seen = read(folder / side / f"{line['id']}.flac").sha256()
            except AudioError as error:
                faults.append(f"{side}/{line['id']}: {error}")
                continue
            if seen != line[f"{side}_sha256"]:
                faults.append(
                    f"{side}/{line['id']}: the samples' sha256 is {seen[:16]}…, wanted {line[f'{side}_sha256'][:16]}…"
                )
    listed = {f"{side}/{line['id']}.flac" for line in lines for side in SIDES}
    present = {p.relative_to(folder).as_posix() for side in SIDES for p in files_below(folder / side, {".flac"})}
    faults += [f"{name}: not in the manifest" for name in sorted(present - listed)]
    return len(lines), faults
