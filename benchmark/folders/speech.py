"""Writes the speech of a store in the layout of the SeedTTS test sets, which the official scripts read.

    meta.lst              utt|prompt_text|prompt_wav|infer_text, one line per clip
    prompts/UTT.wav       the clean prompts
    SYSTEM/UTT.wav        speech with the prompt that SYSTEM restored (`unprocessed`: degraded, `target`: clean)

Source: BytedanceSpeech/seed-tts-eval; SISE Table 2.
"""

from __future__ import annotations

import re
from pathlib import Path

from restorebench.benchmark.audio import write_float
from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.errors import AudioError, RequestError, reason
from restorebench.benchmark.plan.plan import Job, Plan
from restorebench.benchmark.run.degrade import load_pair
from restorebench.benchmark.run.score import delivered
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Restoration

PROMPTS = "prompts"


def write_speech(store: Store, plan: Plan, out: Path) -> tuple[int, list[str]]:
    """Writes all speech of a plan's first seed; returns the number of sounds, and a line for each that is missing.

    Raises RequestError for a plan without speech.
    """
    if not plan.suite.speech:
        raise RequestError(f"{plan.suite.name} has no speech; suites with speech have a synthesizer")
    first = min(plan.suite.seeds)
    written, missing = 0, []
    lines = []
    for trial in plan.trials:
        clip = trial.utterance
        lines.append(f"{clip.id}|{clip.text}|{PROMPTS}/{clip.id}.wav|{clip.say}")
        try:
            pair = load_pair(store, trial)
        except AudioError as error:
            missing.append(f"{trial.id}: {reason(error)}")
            continue
        if pair.reference:
            write_float(_made(out / PROMPTS) / f"{clip.id}.wav", pair.reference)
        for job in (job for job in plan.by_trial[trial.id] if job.draw == first):
            sound = delivered(store, job, pair)
            if isinstance(sound, Restoration):
                write_float(_made(out / _folder_of(job)) / f"{clip.id}.wav", sound.audio)
                written += 1
            else:
                missing.append(f"{trial.id}, {job.system}: {sound}")
    write_atomic(out / "meta.lst", "".join(f"{line}\n" for line in lines).encode())
    return written, missing


def _folder_of(job: Job) -> str:
    """A system's name without characters that are special in the names of folders."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", job.system)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
