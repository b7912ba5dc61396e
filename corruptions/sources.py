"""Sources of noise: recordings in a folder, coloured noise, or babble made of other clips of the corpus."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from restorebench.benchmark.audio import header, read, resample
from restorebench.benchmark.contracts import Scene
from restorebench.benchmark.data.locations import audio_files, file_sha256, resolve_uri, sha256_if_readable
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.corruptions.step import Samples

BABBLE_VOICES = 5
DRAWS = 20
"""Number of recordings that are tried before all files of a folder count as silent."""
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
"""Power falls as 1 / f ** exponent."""


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Channel = Annotated[int | None, Field(ge=0, exclude_if=lambda channel: channel is None)]
"""Index of the channel that is used of a file with several channels; None for a mono file."""


class Recording(_Source):
    """A stretch of a recording, repeated end to end where it is too short."""

    kind: Literal["recording"] = "recording"
    uri: str
    sha256: str
    channel: Channel = None
    offset: float = Field(ge=0, lt=1)
    """Start of the stretch, as a share of the recording's length."""

    def samples(self, length: int, rate: int) -> Samples:
        sound = load(self.uri, self.sha256, rate, self.channel)
        return np.resize(np.roll(sound, -int(self.offset * len(sound))), length)


class Coloured(_Source):
    kind: Literal["coloured"] = "coloured"
    exponent: float
    seed: int

    def samples(self, length: int, rate: int) -> Samples:
        from scipy import fft

        white = np.random.default_rng(self.seed).standard_normal(length)
        spectrum = fft.rfft(white)
        frequency = np.maximum(fft.rfftfreq(length, 1 / rate), 20.0)  # flat below 20 Hz, which limits inaudible noise
        shaped = fft.irfft(spectrum * (frequency / 1000.0) ** (-self.exponent / 2), length)
        return shaped / max(float(np.std(shaped)), 1e-12)


class Babble(_Source):
    """Several other clips at once, each at equal RMS level, each repeated from its own offset."""

    kind: Literal["babble"] = "babble"
    voices: tuple[Recording, ...]

    def samples(self, length: int, rate: int) -> Samples:
        mixed = np.zeros(length)
        for voice in self.voices:
            sound = voice.samples(length, rate)
            mixed += sound / max(float(np.sqrt(np.mean(sound**2))), 1e-12)
        return mixed


Source = Annotated[Recording | Coloured | Babble, Field(discriminator="kind")]


@lru_cache(maxsize=16)
def load(uri: str, sha256: str, rate: int, channel: int | None = None) -> Samples:
    """A recording at `rate`, checked against its hash. Raises AudioError."""
    path = resolve_uri(uri)
    if not path.is_file():
        raise AudioError(f"{uri}: no such file; the recipe needs it, fetch it again")
    if (seen := file_sha256(path)) != sha256:
        raise AudioError(f"{uri}: sha256 {seen}, the recipe was drawn with {sha256}; fetch the file again")
    audio = read(path, channel)
    return resample(audio.samples, audio.rate, rate).astype(np.float64)


def recording(rng: np.random.Generator, files: Sequence[str], seconds: float) -> Recording:
    """A random file from a random offset, or from a non-zero sample where the drawn stretch is digital silence.

    Silence cannot be scaled to an SNR: the clip would stay clean although its recipe has noise. Files that are silent
    throughout are skipped. Raises an AudioError, which names one of them, when all `DRAWS` drawn files are silent.
    """
    for _ in range(DRAWS):
        uri = files[int(rng.integers(len(files)))]
        offset = float(rng.uniform(0, 1))
        channel = draw_channel(rng, uri)
        if not _has_sound(uri, offset, seconds, channel):
            sound = read(resolve_uri(uri), channel).samples
            active = np.flatnonzero(sound)
            if not len(active):
                continue
            offset = float(active[int(rng.integers(len(active)))] / len(sound))
        return Recording(uri=uri, sha256=sha256_if_readable(resolve_uri(uri)), channel=channel, offset=offset)
    raise AudioError(f"{uri}: is digital silence throughout, like all {DRAWS} files that were drawn; remove such files")


def draw_channel(rng: np.random.Generator, uri: str) -> int | None:
    """A random channel of a file with several channels; None, without a draw, for a mono or unreadable file."""
    count = _channels(resolve_uri(uri))
    return int(rng.integers(count)) if count > 1 else None


@cache
def _channels(path: Path) -> int:
    try:
        return int(header(path).channels)
    except AudioError:
        return 0


def _has_sound(uri: str, offset: float, seconds: float, channel: int | None) -> bool:
    """Whether a stretch has a non-zero sample. True for an unreadable file: rendering reports the error."""
    import soundfile

    path = resolve_uri(uri)
    if not path.is_file():
        return True
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            start, wanted = int(offset * len(file)), math.ceil(seconds * file.samplerate)
            file.seek(start)
            if np.any(file.read(min(wanted, len(file) - start), always_2d=True)[:, channel or 0]):
                return True
            file.seek(0)  # the stretch continues at the beginning of the file
            rest = file.read(min(max(wanted - (len(file) - start), 0), start), always_2d=True)
            return bool(np.any(rest[:, channel or 0]))
    except (soundfile.LibsndfileError, OSError, TypeError):
        return True


def draw_voice(rng: np.random.Generator, scene: Scene, uri: str) -> Recording:
    """A stretch of the clip `uri`, or of a random other clip where `uri` is silent throughout."""
    try:
        return recording(rng, (uri,), scene.seconds)
    except AudioError:
        return recording(rng, scene.others, scene.seconds)


def draw_noise(rng: np.random.Generator, scene: Scene, noise: str, split: str) -> Recording | Coloured | Babble:
    """A noise source. `noise` is a folder, a colour, `babble`, or `synthetic`: a random colour or babble."""
    if noise == "synthetic":
        kinds = [*COLOURS, "babble"] if len(scene.others) >= BABBLE_VOICES else list(COLOURS)
        noise = kinds[int(rng.integers(len(kinds)))]
    if noise == "babble":
        if not scene.others:
            raise RequestError("babble is made of other clips of the corpus, and there are none; name a noise folder")
        count = min(BABBLE_VOICES, len(scene.others))
        chosen = rng.choice(len(scene.others), size=count, replace=False)
        return Babble(voices=tuple(draw_voice(rng, scene, scene.others[int(i)]) for i in chosen))
    if noise in COLOURS:
        return Coloured(exponent=COLOURS[noise], seed=int(rng.integers(2**31)))
    return recording(rng, audio_files(noise, split), scene.seconds)
