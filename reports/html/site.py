"""The HTML report: one static folder that opens from disk.

index.html   leaderboard, clips to listen to, breakdowns, agreement of metrics, failures, provenance
sounds/      compressed versions of the chosen clips;   waveforms/, spectrograms/, differences/   their pictures
files.txt    names of the files that the report wrote: a later report replaces or removes only these
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.contracts import Words
from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.core.pool import default_workers
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.run.cost import Cost
from restorebench.benchmark.run.score import ends
from restorebench.benchmark.types import Audio, Trial
from restorebench.reports.html.clip_selection import choose
from restorebench.reports.html.page import Exported, Material, page, scores_of_sounds
from restorebench.reports.html.sounds import Picture, difference, matched_gains, mp3, spectrogram, waveform
from restorebench.reports.html.words import heard, transcript_source_of
from restorebench.reports.tables.breakdown import facts_of

Progress = Callable[[str, int, Iterator[int]], None]
Sounds = Callable[[Trial], Mapping[str, Audio]]
"""A function that returns the versions of a trial's clip: system -> sound."""

CLIPS = 60
"""Largest number of clips with sounds: the worst, those where systems or metrics disagree, and some evenly spaced."""
PAGE, SOUNDS, WAVEFORMS, SPECTROGRAMS, DIFFERENCES = (
    "index.html", "sounds", "waveforms", "spectrograms", "differences"
)  # fmt: skip
LIST = "files.txt"
"""The file that lists the files which the report wrote."""
# Reports of earlier versions had plots as files: a new report may replace them.
OWN = re.compile(rf"({SOUNDS}|{WAVEFORMS}|{SPECTROGRAMS}|{DIFFERENCES}|plots)/[0-9a-f]{{16}}\.(mp3|png|svg|webp)")


def report(
    board: Board,
    records: pd.DataFrame,
    sounds: Sounds,
    facts: Mapping[str, str],
    costs: Mapping[str, Cost],
    out: Path,
    progress: Progress,
    clips: int = CLIPS,
) -> Path:
    """Writes the report; returns its index.html. Raises RequestError if `out` is neither empty nor an earlier report.

    records: the plan's records (`planned_records`); facts: facts of the run, such as versions, commit and machine;
    costs: memory and time of each system.
    """
    if out.exists() and not out.is_dir():
        raise RequestError(f"{out}: is a file; name a folder")
    earlier = _earlier_files(out)
    written: set[str] = set()

    def put(name: str, content: bytes) -> str:
        written.add(name)
        if name not in earlier:  # listed before it is written, so that a report can replace an interrupted one
            earlier.add(name)
            write_atomic(out / LIST, "".join(f"{listed}\n" for listed in sorted(earlier)).encode())
        write_atomic(out / name, content)
        return name

    trials = {trial.id: trial for trial in board.plan.trials}
    chosen = choose(scores_of_sounds(board), list(trials), clips)
    exported: dict[str, Exported] = {}
    words: dict[str, Mapping[str, Words]] = {}
    _, clean = ends(board.plan)
    source = transcript_source_of(board)

    def steps() -> Iterator[int]:
        for name in chosen:
            versions = sounds(trials[name])
            words[name] = heard(source, board.plan, trials[name], versions)
            exported[name] = _export(trials[name], versions, clean, put)
            yield 1

    progress("report", len(chosen), steps())
    clip_facts = facts_of(trials.values())
    put(PAGE, page(Material(board, records, facts, costs, clip_facts, exported, source, words)).encode())
    for name in earlier - written:
        (out / name).unlink(missing_ok=True)
    write_atomic(out / LIST, "".join(f"{name}\n" for name in sorted(written)).encode())
    return out / PAGE


def _earlier_files(out: Path) -> set[str]:
    """The files that an earlier report wrote into `out`; only these may be replaced or removed.

    The names come from the report's list; without a list, files are recognised by their names. Hidden files, such as
    temporary files of a killed report, are ignored. Raises RequestError when `out` holds any other file, or a link.
    """
    if not out.is_dir():
        return set()
    links = [path for path in out.rglob("*") if path.is_symlink()]
    present = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")}
    listed = set((out / LIST).read_text(encoding="utf-8").splitlines()) if (out / LIST).is_file() else present
    ours = {name for name in listed if name == PAGE or OWN.fullmatch(name)}
    foreign = sorted([*(path.relative_to(out).as_posix() for path in links), *(present - ours - {LIST})])
    if foreign or (present and PAGE not in ours | {LIST} and not (out / LIST).is_file()):
        named = f", such as {foreign[0]}" if foreign else ""
        raise RequestError(f"{out}: holds other files{named}; name an empty folder or an earlier report")
    return ours


def _export(trial: Trial, versions: Mapping[str, Audio], clean: str, put: Callable[[str, bytes], str]) -> Exported:
    """Writes the sounds and pictures of a clip's versions; returns version -> file names, volume, kHz, seconds.

    clean: the name of the clean version.
    """
    gains = matched_gains(versions)
    loudest = max((1 / gain for gain in gains.values()), default=1.0)
    with ThreadPoolExecutor(default_workers()) as threads:  # the MP3 encoder and the FFT release the GIL
        versions_made = {name: threads.submit(_version, name, versions, gains, clean) for name in versions}
    exported = {}
    for system, audio in versions.items():
        name, version = digest(trial.id, system)[:16], versions_made[system].result()
        exported[system] = {
            "file": put(f"{SOUNDS}/{name}.mp3", version.mp3),
            "waveform": put(f"{WAVEFORMS}/{name}.png", version.waveform),
            "spectrogram": put(f"{SPECTROGRAMS}/{name}.png", version.spectrogram.content),
            "volume": round(1 / gains[system] / loudest, 4),
            "khz": round(version.spectrogram.khz, 2),
            "seconds": round(audio.seconds, 3),
        }
        if version.difference:
            exported[system] |= {
                "difference": put(f"{DIFFERENCES}/{name}.webp", version.difference.content),
                "differenceKhz": round(version.difference.khz, 2),
            }
    return exported


@dataclass(frozen=True)
class _Version:
    """The encoded sound and pictures of one version of a clip."""

    mp3: bytes
    waveform: bytes
    spectrogram: Picture
    difference: Picture | None
    """Level difference from the clean version; None without a clean version, and for the clean version itself."""


def _version(name: str, versions: Mapping[str, Audio], gains: Mapping[str, float], clean: str) -> _Version:
    audio, gain = versions[name], gains[name]
    return _Version(
        mp3(audio, gain),
        waveform(audio, gain),
        spectrogram(audio, gain),
        difference(audio, gain, versions[clean], gains[clean]) if clean in versions and clean != name else None,
    )
