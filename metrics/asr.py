"""The papers' recognisers, each in an environment of its own; transcripts are kept by content.

A transcript's key is the 16 kHz samples and what decides the words (checkpoint, requirements, language), so another
normaliser or another run never asks a recogniser again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
import platformdirs

from restorebench.benchmark.contracts import Clip
from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.data import weights
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.data.weight_catalogue import PARAFORMER as PARAFORMER_FILES
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.isolation.remote import CALL_LIMIT_S, Remote
from restorebench.benchmark.types import FloatArray

RATE = 16_000
HERE = Path(__file__).parent / "remote"
GROUP = 16
"""Clips of one call."""
SLOWEST = 60.0
"""Seconds that a second of audio may take before its worker counts as hanging."""


@dataclass(frozen=True)
class Recogniser:
    name: str
    file: str
    """In `remote`."""
    requirements: tuple[str, ...]
    rules: str
    """How it is asked, for the signature."""
    weights: tuple[str, ...] = ()
    """Names in the catalogue, unless `checkpoint` names a file or folder; several are the files of one folder."""
    checkpoint: str = ""

    @property
    def path(self) -> Path:
        """The checkpoint. Raises RequestError when it is not here."""
        if self.checkpoint:
            if not Path(self.checkpoint).exists():
                raise RequestError(f"{self.checkpoint}: no such checkpoint")
            return Path(self.checkpoint).resolve()
        found = [path for name in self.weights if (path := weights.present(name)) is not None]
        if len(found) < len(self.weights):
            names = " ".join(self.weights)
            raise RequestError(f"the weights of {self.name} are not here; run: restorebench data fetch {names}")
        if len({path.parent for path in found}) > 1:
            raise RequestError(f"the files of {self.name} lie in several folders; put them into {found[0].parent}")
        return (found[0] if len(found) == 1 else found[0].parent).resolve()

    @property
    def identity(self) -> str:
        """Hash of the checkpoint; "" while it is absent."""
        if self.checkpoint:
            return content_sha256(Path(self.checkpoint))
        return " ".join(weights.identity(name) for name in self.weights)

    def transcribe(self, clips: Sequence[Clip], language: str) -> list[str]:
        """The transcript of each clip, in the recogniser's own spelling; clips without a kept one go in one batch."""
        samples = [np.ascontiguousarray(clip.at(RATE), dtype=np.float32) for clip in clips]
        places = [self._kept_at(sound, language) for sound in samples]
        new = {place: sound for place, sound in zip(places, samples, strict=True) if not place.is_file()}
        if new:
            self._hear(new, language)
        return [place.read_text(encoding="utf-8") for place in places]

    def _hear(self, new: Mapping[Path, FloatArray], language: str) -> None:
        """Group by group, so that the transcripts of one group are kept whatever happens to the next."""
        for group in batched(new.items(), GROUP):
            sounds = [samples for _, samples in group]
            limit_s = CALL_LIMIT_S + SLOWEST * sum(map(len, sounds)) / RATE
            texts, _ = self.remote().call("transcribe", sounds, limit_s=limit_s, language=language)
            for (place, _), text in zip(group, texts, strict=True):
                write_atomic(place, text.encode())

    def remote(self) -> Remote:
        return _remote(self.file, self.requirements, str(self.path))

    def _kept_at(self, samples: FloatArray, language: str) -> Path:
        decides = "\n".join([self.file, _source(self.file), self.identity, language, *self.requirements])
        folder = transcripts_folder() / sha256(decides.encode()).hexdigest()[:16]
        return folder / f"{sha256(samples.tobytes()).hexdigest()[:32]}.txt"


def transcripts_folder() -> Path:
    return platformdirs.user_cache_path("restorebench") / "transcripts"


@cache
def _remote(file: str, requirements: tuple[str, ...], checkpoint: str) -> Remote:
    """One worker per recogniser and process."""
    return Remote(Environment(requirements), HERE / file, {"checkpoint": checkpoint})


@cache
def _source(file: str) -> str:
    """How it is asked decides the words too."""
    return file_sha256(HERE / file)


def content_sha256(path: Path) -> str:
    """Of a file, or of a folder's files with their names. Raises RequestError when there is nothing."""
    if path.is_file():
        return file_sha256(path)
    if not path.is_dir():
        raise RequestError(f"{path}: no such checkpoint")
    parts = [f"{p.relative_to(path).as_posix()} {file_sha256(p)}" for p in sorted(path.rglob("*")) if p.is_file()]
    return sha256("\n".join(parts).encode()).hexdigest()


def locked(name: str) -> tuple[str, ...]:
    """Every package of an environment with its version, from `remote/NAME.txt` (CONTRIBUTING says how it is made)."""
    return tuple((HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines())


def batched(items: Iterable[tuple[Path, FloatArray]], size: int) -> Iterator[list[tuple[Path, FloatArray]]]:
    left = iter(items)
    while group := list(islice(left, size)):
        yield group


WHISPER, NEMO, PARAFORMER = locked("whisper"), locked("nemo"), locked("paraformer")

nemo = Recogniser(
    "NeMo conformer transducer xlarge", "nemo_asr.py", NEMO, "decoding=greedy", ("nemo-conformer-transducer-xlarge",)
)
whisper = Recogniser(
    "Whisper large-v3", "whisper_asr.py", WHISPER, "decoding=greedy-float32|longest=30s", ("whisper-large-v3",)
)
paraformer = Recogniser("Paraformer-zh", "paraformer_asr.py", PARAFORMER, "dither=0", tuple(PARAFORMER_FILES))
