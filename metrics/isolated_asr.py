"""The papers' recognisers, each in an environment of its own: NeMo's transducer, Whisper large-v3, Paraformer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.data.weight_catalogue import PARAFORMER as PARAFORMER_FILES
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.isolation.remote import CALL_LIMIT_S, Remote
from restorebench.benchmark.types import FloatArray
from restorebench.metrics.recogniser import RATE, Recogniser

HERE = Path(__file__).parent / "remote"
SLOWEST = 60.0
"""Seconds that a second of audio may take before its worker counts as hanging."""


@dataclass(frozen=True, kw_only=True)
class IsolatedRecogniser(Recogniser):
    file: str
    """In `remote`."""

    def hear(self, sounds: Sequence[FloatArray], language: str) -> list[str]:
        limit_s = CALL_LIMIT_S + SLOWEST * sum(map(len, sounds)) / RATE
        texts, _ = self.remote().call("transcribe", sounds, limit_s=limit_s, language=language)
        return [str(text) for text in texts]

    @property
    def decides(self) -> tuple[str, ...]:
        return (self.file, _source(self.file), *self.requirements)

    def remote(self) -> Remote:
        """Its worker; a recogniser without weights of ours has them in its package."""
        checkpoint = str(self.path) if self.weights or self.checkpoint else ""
        return _remote(self.file, self.requirements, checkpoint)


@cache
def _remote(file: str, requirements: tuple[str, ...], checkpoint: str) -> Remote:
    """One worker per recogniser and process."""
    return Remote(Environment(requirements), HERE / file, {"checkpoint": checkpoint} if checkpoint else {})


@cache
def _source(file: str) -> str:
    """How it is asked decides the words too."""
    return file_sha256(HERE / file)


def locked(name: str) -> tuple[str, ...]:
    """Every package of an environment with its version, from `remote/NAME.txt` (CONTRIBUTING says how it is made)."""
    return tuple((HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines())


WHISPER, NEMO, PARAFORMER = locked("whisper"), locked("nemo"), locked("paraformer")

nemo = IsolatedRecogniser(
    name="NeMo conformer transducer xlarge",
    file="nemo_asr.py",
    requirements=NEMO,
    rules="decoding=greedy",
    weights=("nemo-conformer-transducer-xlarge",),
)
whisper = IsolatedRecogniser(
    name="Whisper large-v3",
    file="whisper_asr.py",
    requirements=WHISPER,
    rules="decoding=greedy-float32|longest=30s",
    weights=("whisper-large-v3",),
)
paraformer = IsolatedRecogniser(
    name="Paraformer-zh",
    file="paraformer_asr.py",
    requirements=PARAFORMER,
    rules="dither=0",
    weights=tuple(PARAFORMER_FILES),
)
