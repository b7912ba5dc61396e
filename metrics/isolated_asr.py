"""The papers' recognisers, each in an environment of its own: NeMo's transducer, Whisper large-v3, Paraformer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.data.weight_catalogue import PARAFORMER as PARAFORMER_FILES
from restorebench.benchmark.isolation.environments import Environment, locked_requirements
from restorebench.benchmark.isolation.remote import CALL_LIMIT_S, Remote
from restorebench.benchmark.types import FloatArray
from restorebench.metrics.recogniser import RATE, Recogniser

SCRIPTS_FOLDER = Path(__file__).parent / "remote"
MAX_SECONDS_PER_AUDIO_SECOND = 60.0
"""Processing time allowed per second of audio; a worker process that needs more counts as hung."""


@dataclass(frozen=True, kw_only=True)
class IsolatedRecogniser(Recogniser):
    file: str
    """File name of the worker's code in `metrics/remote`."""

    def transcribe_uncached(self, sounds: Sequence[FloatArray], language: str) -> list[str]:
        limit_s = CALL_LIMIT_S + MAX_SECONDS_PER_AUDIO_SECOND * sum(map(len, sounds)) / RATE
        texts, _ = self.remote().call("transcribe", sounds, limit_s=limit_s, language=language)
        return [str(text) for text in texts]

    @property
    def transcript_key_parts(self) -> tuple[str, ...]:
        return (self.file, _script_sha256(self.file), *self.requirements)

    def remote(self) -> Remote:
        """The recogniser's worker process.

        A recogniser without `weights` (hama) loads the model in its own package, so it gets no checkpoint.
        """
        checkpoint = str(self.path) if self.weights or self.checkpoint else ""
        return _remote(self.file, self.requirements, checkpoint)


@cache
def _remote(file: str, requirements: tuple[str, ...], checkpoint: str) -> Remote:
    """The worker process of a recogniser; each process of the engine has its own."""
    return Remote(Environment(requirements), SCRIPTS_FOLDER / file, {"checkpoint": checkpoint} if checkpoint else {})


@cache
def _script_sha256(file: str) -> str:
    """SHA-256 of the worker's code: it may change the transcripts, so it is part of their cache key."""
    return file_sha256(SCRIPTS_FOLDER / file)


WHISPER_REQUIREMENTS, NEMO_REQUIREMENTS, PARAFORMER_REQUIREMENTS = (
    locked_requirements(SCRIPTS_FOLDER / "whisper.txt"),
    locked_requirements(SCRIPTS_FOLDER / "nemo.txt"),
    locked_requirements(SCRIPTS_FOLDER / "paraformer.txt"),
)

nemo = IsolatedRecogniser(
    name="NeMo conformer transducer xlarge",
    file="nemo_asr.py",
    requirements=NEMO_REQUIREMENTS,
    rules="decoding=greedy",
    weights=("nemo-conformer-transducer-xlarge",),
)
whisper = IsolatedRecogniser(
    name="Whisper large-v3",
    file="whisper_asr.py",
    requirements=WHISPER_REQUIREMENTS,
    rules="decoding=greedy-float32|longest=30s",
    weights=("whisper-large-v3",),
)
paraformer = IsolatedRecogniser(
    name="Paraformer-zh",
    file="paraformer_asr.py",
    requirements=PARAFORMER_REQUIREMENTS,
    rules="dither=0",
    weights=tuple(PARAFORMER_FILES),
)
