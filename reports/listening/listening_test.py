"""A listening test as a folder: `test.json`, the sounds, and the database of the ratings.

test.json         what is tested: kind, clips, systems, blocks; the sound file of each version
sounds/           WAV files with random names
ratings.sqlite    listeners and their ratings (`ratings.py`)
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.core.progress import Progress
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Job, Plan
from restorebench.benchmark.run.degrade import load_pair
from restorebench.benchmark.run.score import delivered
from restorebench.benchmark.run.speak import SILENT_PEAK
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Audio
from restorebench.reports.listening import sounds
from restorebench.reports.listening.design import BEEPS, CLEAN, NOISY, REFERENCE, Checks, Kind, Trial, session

FILE, SOUNDS = "test.json", "sounds"
QUESTIONS = {
    "mos": "How good is the quality of this speech?",
    "dmos": "How much worse than the reference is the second sound?",
    "mushra": "How good is each version, compared with the reference?",
    "ab": "Which version is better?",
}
SCALES = {
    "mos": ("bad", "poor", "fair", "good", "excellent"),
    "dmos": ("very annoying", "annoying", "slightly annoying", "audible, not annoying", "inaudible"),
    "mushra": ("bad", "poor", "fair", "good", "excellent"),
    "ab": ("A is better", "no difference", "B is better"),
}
"""Labels of the answers, lowest first (ITU-T P.800, ITU-R BS.1534-3)."""


class Clip(BaseModel):
    """A clip of the test, and what identifies it in the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    condition: str
    draw: int = 0
    """Number of the random seed of stochastic systems."""

    @property
    def key(self) -> str:
        return f"{self.condition}/{self.id}/{self.draw}"


class ListeningTest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    clips: tuple[Clip, ...]
    systems: tuple[str, ...]
    """Rated systems, hidden anchors among them."""
    blocks: int = Field(ge=1)
    """Number of blocks per listener."""
    checks: int = Field(ge=0)
    """Checks of each kind per listener."""
    seed: int
    checked: tuple[str, ...]
    """Keys of the clips whose clean version can be a check: those that are not silent."""
    files: Mapping[str, Mapping[str, str]]
    """Clip -> version -> file name below `sounds/`; the beeps are under the key `beeps`, by their number."""

    def trials(self, listener: int) -> list[Trial]:
        """The trials of a listener (0, 1, ...), in order."""
        keys = [clip.key for clip in self.clips]
        checks = Checks(self.checks, list(self.checked), self.seed)
        return session(self.kind, keys, list(self.systems), listener, self.blocks, checks)

    def sounds_of(self, trial: Trial) -> list[str]:
        """File names of the trial's versions in order; for DMOS and MUSHRA, the reference comes first."""
        if trial.check == BEEPS:
            return [self.files[BEEPS][str(trial.expected)]]
        versions = self.files[trial.clip]
        named = [versions[system] for system in trial.systems]
        return [versions[REFERENCE], *named] if self.has_reference else named

    @property
    def has_reference(self) -> bool:
        return self.kind in ("dmos", "mushra")


def make_test(
    store: Store, plan: Plan, out: Path, kind: Kind, systems: Sequence[str], clips: int, blocks: int, checks: int,
    seed: int, progress: Progress,
) -> ListeningTest:  # fmt: skip
    """Makes the folder of a test from a finished run.

    systems: rated systems; clips: number of clips, spread evenly over the run's. Raises RequestError if `out` is not
    empty, or a system has no sound for one of the clips.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(f"{out}: is not empty; name a new folder for the listening test")
    if taken := {*systems} & {REFERENCE, CLEAN, NOISY, BEEPS, sounds.ANCHOR}:
        raise RequestError(f"a system cannot be called {sorted(taken)[0]} in a listening test; rename its folder")
    systems = list(dict.fromkeys(systems))
    if len(systems) < 2 and kind in ("ab", "mushra"):
        raise RequestError(f"a test of kind {kind} needs at least two systems")
    jobs = _jobs(plan, systems, clips)
    audible = [clip.key for clip, by_system in jobs.items() if _has_speech(store, by_system)]
    blocks = blocks or len(jobs)
    if blocks > len(jobs):
        raise RequestError(f"--blocks {blocks}: at most one block per clip; the test has {len(jobs)} clips")
    files: dict[str, dict[str, str]] = {}
    missing: list[str] = []

    def put(audio: Audio) -> str:
        name = f"{secrets.token_hex(8)}.wav"
        soundfile.write(out / SOUNDS / name, audio.samples, audio.rate, subtype="PCM_16")  # every browser decodes it
        return name

    def steps() -> Iterator[int]:
        for clip, by_system in jobs.items():
            versions, why = _versions(store, by_system, kind, systems)
            missing.extend(why)
            if not missing:
                files[clip.key] = {name: put(audio) for name, audio in sounds.matched(versions).items()}
            yield 1

    (out / SOUNDS).mkdir(parents=True, exist_ok=True)
    progress("listening test", len(jobs), steps())
    if missing:
        shutil.rmtree(out)
        raise RequestError(
            f"{len(missing)} sounds are missing, such as {missing[0]}; a test without them would favour their systems: "
            "leave out the system, or choose other clips"
        )
    if kind in ("mos", "dmos"):
        files[BEEPS] = {str(count): put(sounds.beeps(count)) for count in range(1, 6)}
    rated = (*systems, REFERENCE, sounds.ANCHOR) if kind == "mushra" else tuple(systems)
    test = ListeningTest(
        name=plan.suite.name, kind=kind, clips=tuple(jobs), systems=rated, blocks=blocks, checks=checks, seed=seed,
        checked=tuple(audible), files=files,
    )  # fmt: skip
    write_atomic(out / FILE, test.model_dump_json(indent=1).encode())
    return test


def read_test(folder: Path) -> ListeningTest:
    """The test of a folder. Raises RequestError."""
    try:
        return ListeningTest.model_validate_json((folder / FILE).read_bytes())
    except FileNotFoundError as error:
        raise RequestError(
            f"{folder}: no listening test; make one: restorebench listen make STORE --out DIR"
        ) from error
    except ValidationError as error:
        raise RequestError(
            f"{folder / FILE}: not as `listen make` writes it ({error.errors()[0]['msg']}); make the test again"
        ) from error


def _jobs(plan: Plan, systems: Sequence[str], clips: int) -> dict[Clip, dict[str, Job]]:
    """The chosen clips, each with the job of every system. Raises RequestError for a system that was not run."""
    by_clip: dict[Clip, dict[str, Job]] = {}
    for job in plan.jobs:
        if job.draw == 0 and job.system in systems:
            clip = Clip(id=job.trial.utterance.id, condition=job.trial.condition)
            by_clip.setdefault(clip, {})[job.system] = job
    if unknown := [system for system in systems if not any(system in jobs for jobs in by_clip.values())]:
        ran = ", ".join(sorted({job.system for job in plan.jobs}))
        raise RequestError(f"{plan.suite.name}: {unknown[0]} was not run; choose among: {ran}")
    names = list(by_clip)
    count = min(clips, len(names))
    return {names[i * len(names) // count]: by_clip[names[i * len(names) // count]] for i in range(count)}


def _has_speech(store: Store, jobs: Mapping[str, Job]) -> bool:
    """Whether the clip has a clean version that is not silent."""
    reference = load_pair(store, next(iter(jobs.values())).trial).reference
    return reference is not None and float(np.abs(reference.samples).max(initial=0.0)) > SILENT_PEAK


def _versions(
    store: Store, jobs: Mapping[str, Job], kind: Kind, systems: Sequence[str]
) -> tuple[dict[str, Audio], list[str]]:
    """(version -> sound, which sounds are missing and why) of one clip: systems, checks, reference and anchor."""
    trial = next(iter(jobs.values())).trial
    pair = load_pair(store, trial)
    versions: dict[str, Audio] = {}
    missing = [f"{system} of {trial.id} (not run)" for system in systems if system not in jobs]
    for system, job in jobs.items():
        restoration = delivered(store, job, pair)
        if isinstance(restoration, str):
            missing.append(f"{system} of {job.trial.id} ({restoration})")
        else:
            versions[system] = restoration.audio
    if pair.reference is None:
        if kind != "mos":
            missing.append(f"the clean reference of {trial.id}")
        return versions, missing
    clean = pair.reference
    if kind in ("dmos", "mushra"):
        versions[REFERENCE] = clean
    if kind == "mushra":
        versions[sounds.ANCHOR] = sounds.low_anchor(clean)
    else:
        versions |= sounds.checks_of(clean, trial.id)
    return versions, missing
