"""The base class of speech recognisers: a transcript per clip, cached by content.

The cache key of a transcript covers the 16 kHz samples and everything that determines the words (checkpoint, decoding,
packages, language). Another text normaliser, or another run, does not repeat the recognition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

import numpy as np
import platformdirs

from restorebench.benchmark.contracts import Clip
from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.data import weights
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import FloatArray

RATE = 16_000
GROUP = 16
"""Largest number of clips in one call of a recogniser."""


@dataclass(frozen=True, kw_only=True)
class Recogniser(ABC):
    name: str
    rules: str
    """The decoding settings, as part of the signature."""
    weights: tuple[str, ...] = ()
    """Names in the weights catalogue; several names are the files of one folder. Not used if `checkpoint` is given."""
    checkpoint: str = ""
    packages: tuple[str, ...] = ()
    """Packages of this environment that the recogniser uses."""
    requirements: tuple[str, ...] = ()
    """Pinned requirements of the recogniser's own environment."""
    cost: float = 2.0
    """CPU seconds per second of audio."""

    @abstractmethod
    def transcribe_uncached(self, sounds: Sequence[FloatArray], language: str) -> list[str]:
        """The transcripts of 16 kHz sounds [time], in the recogniser's own spelling; nothing is read from the cache."""

    @property
    @abstractmethod
    def transcript_key_parts(self) -> tuple[str, ...]:
        """Everything besides checkpoint and language that can change the transcripts; part of their cache key."""

    @property
    def path(self) -> Path:
        """The checkpoint: a file, or a folder of several files. Raises RequestError when a file is missing."""
        if self.checkpoint:
            if not Path(self.checkpoint).exists():
                raise RequestError(f"{self.checkpoint}: no such checkpoint")
            return Path(self.checkpoint).resolve()
        paths = [path for name in self.weights if (path := weights.present(name)) is not None]
        if len(paths) < len(self.weights):
            names = " ".join(self.weights)
            raise RequestError(f"the weights of {self.name} are not here; run: restorebench data fetch {names}")
        if len({path.parent for path in paths}) > 1:
            raise RequestError(f"the files of {self.name} lie in several folders; put them into {paths[0].parent}")
        return (paths[0] if len(paths) == 1 else paths[0].parent).resolve()

    @property
    def identity(self) -> str:
        """Hash of the checkpoint; "" while it is absent."""
        if self.checkpoint:
            return content_sha256(Path(self.checkpoint))
        return " ".join(weights.identity(name) for name in self.weights)

    def transcribe(self, clips: Sequence[Clip], language: str) -> list[str]:
        """The transcript of each clip; clips without a cached transcript are recognised in groups of `GROUP`."""
        samples = [np.ascontiguousarray(clip.at(RATE), dtype=np.float32) for clip in clips]
        paths = [self._transcript_path(sound, language) for sound in samples]
        new = {path: sound for path, sound in zip(paths, samples, strict=True) if not path.is_file()}
        # Transcripts are stored after each group, so that a failure of a later group does not lose them.
        for group in batched(new.items(), GROUP):
            for (path, _), text in zip(
                group, self.transcribe_uncached([sound for _, sound in group], language), strict=True
            ):
                write_atomic(path, text.encode())
        return [path.read_text(encoding="utf-8") for path in paths]

    def cached_transcript(self, clip: Clip, language: str) -> str | None:
        """The cached transcript of a clip; None if there is none, or if the checkpoint or a package is missing."""
        try:
            path = self._transcript_path(np.ascontiguousarray(clip.at(RATE), dtype=np.float32), language)
        except (RequestError, PackageNotFoundError):
            return None
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def _transcript_path(self, samples: FloatArray, language: str) -> Path:
        key = "\n".join([*self.transcript_key_parts, self.identity, language])
        folder = transcripts_folder() / sha256(key.encode()).hexdigest()[:16]
        return folder / f"{sha256(samples.tobytes()).hexdigest()[:32]}.txt"


def versions(packages: Sequence[str]) -> tuple[str, ...]:
    """`name==version` of installed distributions."""
    return tuple(f"{package}=={version(package)}" for package in packages)


def transcripts_folder() -> Path:
    return platformdirs.user_cache_path("restorebench") / "transcripts"


def content_sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names. Raises RequestError when `path` does not exist."""
    if path.is_file():
        return file_sha256(path)
    if not path.is_dir():
        raise RequestError(f"{path}: no such checkpoint")
    parts = [f"{p.relative_to(path).as_posix()} {file_sha256(p)}" for p in sorted(path.rglob("*")) if p.is_file()]
    return sha256("\n".join(parts).encode()).hexdigest()


def batched(items: Iterable[tuple[Path, FloatArray]], size: int) -> Iterator[list[tuple[Path, FloatArray]]]:
    """The items in lists of `size`; the last list may be shorter."""
    remaining = iter(items)
    while group := list(islice(remaining, size)):
        yield group
