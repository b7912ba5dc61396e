"""Writes the speech of a store in the layout of the SeedTTS test sets, which the official scripts read.

    meta.lst              utt|prompt_text|prompt_wav|infer_text, one line per clip
    prompts/UTT.wav       the clean prompts
    SYSTEM/UTT.wav        speech with the prompt that SYSTEM restored (`unprocessed`: degraded, `target`: clean)

If there are several conditions, each has its own folder with this layout. `write_prompts` writes the prompts for a TTS
that runs outside RestoreBench, in a folder per system. The TTS adds SYSTEM/UTT.wav, and `--synthesizer published:DIR`
reads this speech:

    SYSTEM/meta.lst           as above, with the prompts that SYSTEM restored
    SYSTEM/prompts/UTT.wav

Source: BytedanceSpeech/seed-tts-eval; SISE Table 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from restorebench.benchmark.audio import write_float
from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.errors import AudioError, RequestError, reason
from restorebench.benchmark.plan.plan import Job, Plan
from restorebench.benchmark.run.degrade import load_pair
from restorebench.benchmark.run.score import delivered
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Restoration, Trial

PROMPTS = "prompts"


def write_speech(store: Store, plan: Plan, out: Path) -> tuple[int, list[str]]:
    """Writes the speech of each system's first seed; returns the number of system outputs written, and error lines.

    Raises RequestError for a plan without speech, systems that would share a folder, or a text that contains `|`.
    """
    if not plan.suite.speech:
        raise RequestError(f"{plan.suite.name} has no speech; suites with speech have a synthesizer")
    folders = _folders(plan.systems)
    conditions = list(dict.fromkeys(trial.condition for trial in plan.trials))
    written, missing = 0, []
    for condition in conditions:
        condition_folder = out / condition if len(conditions) > 1 else out
        trials = [trial for trial in plan.trials if trial.condition == condition]
        write_atomic(condition_folder / "meta.lst", "".join(_line(trial) for trial in trials).encode())
        for trial in trials:
            count, faults = _write_clip(store, plan, trial, condition_folder, folders)
            written += count
            missing += faults
    return written, missing


def write_prompts(store: Store, plan: Plan, out: Path) -> tuple[int, list[str]]:
    """Writes the prompts of each system's first seed; returns their number, and error lines.

    Raises RequestError for a plan without speech, or a folder that holds sounds: speech of earlier prompts would be
    taken for speech of the new prompts.
    """
    if not plan.suite.speech:
        raise RequestError(f"{plan.suite.name} has no speech; suites with speech have a synthesizer")
    if earlier := next(out.rglob("*.wav"), None):
        raise RequestError(f"{out}: holds sounds already, such as {earlier}; name a new folder for the prompts")
    folders = _folders(plan.systems)
    conditions = list(dict.fromkeys(trial.condition for trial in plan.trials))
    lines: dict[Path, list[str]] = {}
    written, missing = 0, []
    for trial in plan.trials:
        condition_folder = out / trial.condition if len(conditions) > 1 else out
        for system, job in _first_seeds(plan, trial).items():
            try:
                sound = delivered(store, job.restoration, load_pair(store, trial))
            except AudioError as error:
                sound = reason(error)
            if isinstance(sound, str):
                missing.append(f"{trial.id}, {system}: {sound}")
                continue
            folder = condition_folder / folders[system]
            write_float(_make_folder(folder / PROMPTS) / f"{trial.utterance.id}.wav", sound.audio)
            lines.setdefault(folder, []).append(_line(trial))
            written += 1
    for folder, texts in lines.items():
        write_atomic(folder / "meta.lst", "".join(texts).encode())
    return written, missing


def _first_seeds(plan: Plan, trial: Trial) -> dict[str, Job]:
    """Each system's job with its first seed."""
    return {job.system: job for job in reversed(plan.by_trial[trial.id])}


def _write_clip(
    store: Store, plan: Plan, trial: Trial, condition_folder: Path, folders: Mapping[str, str]
) -> tuple[int, list[str]]:
    try:
        pair = load_pair(store, trial)
    except AudioError as error:
        return 0, [f"{trial.id}: {reason(error)}"]
    name = f"{trial.utterance.id}.wav"
    if pair.reference:
        write_float(_make_folder(condition_folder / PROMPTS) / name, pair.reference)
    written, missing = 0, []
    for system, job in _first_seeds(plan, trial).items():
        sound = delivered(store, job, pair)
        if isinstance(sound, Restoration):
            write_float(_make_folder(condition_folder / folders[system]) / name, sound.audio)
            written += 1
        else:
            missing.append(f"{trial.id}, {system}: {sound}")
    return written, missing


def _line(trial: Trial) -> str:
    """A clip's line of meta.lst. Raises RequestError for a text that contains the separator."""
    clip = trial.utterance
    texts = [" ".join((text or "").split()) for text in (clip.text, clip.say)]
    if any("|" in text for text in texts):
        raise RequestError(f"{clip.id}: its text contains |, which separates the fields of meta.lst; change the text")
    return f"{clip.id}|{texts[0]}|{PROMPTS}/{clip.id}.wav|{texts[1]}\n"


def _folders(systems: Sequence[str]) -> dict[str, str]:
    """System -> folder: its name without special characters. Raises RequestError when two would share a folder."""
    folders = {system: re.sub(r"[^A-Za-z0-9_.-]", "_", system) for system in systems}
    taken = {PROMPTS: "the prompts"}
    for system, folder in folders.items():
        if folder in taken:
            raise RequestError(f"{system} and {taken[folder]} would share the folder {folder}; rename one of them")
        taken[folder] = system
    return folders


def _make_folder(folder: Path) -> Path:
    """The folder, which is created if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
