"""Sounds for listening: the versions of a clip at one loudness, compressed, each with pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.audio import fit, resample
from restorebench.benchmark.types import Audio, FloatArray

LOUDNESS = -23.0
"""Target loudness of a clip's versions in LUFS; it is lowered if a peak would exceed full scale."""
PEAK = 0.97
LOWEST = 0.25
"""Smallest common attenuation factor (-12 dB): a version with a click is clipped, so that the others stay audible."""
SHORTEST_S = 0.4
"""Length in seconds of a BS.1770 block; a shorter sound is repeated to this length."""
QUALITY = 0.6
"""Compression level of libsndfile's variable-bit-rate MP3 (0 is best); about 60 kbit/s for full-band speech."""
MP3_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
BANDS, FRAMES = 128, 480
"""Size of a spectrogram in pixels."""
FLOOR_DB = 80.0
DIFFERENCE_DB = 30.0
"""Absolute level difference in dB at both ends of the colour map."""
LOSSY = 60
"""WebP quality of a difference picture. Such pictures are noisy: a PNG would be five times as large."""
WAVEFORM_ROWS = 64
INK = (90, 122, 205)
"""RGB colour of a waveform, visible on white and on black."""


def loudness(audio: Audio) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4); -inf for silence."""
    import pyloudnorm

    padded = np.resize(audio.samples, max(len(audio.samples), int(SHORTEST_S * audio.rate) + 1))
    if not np.any(padded):
        return float("-inf")
    return float(pyloudnorm.Meter(audio.rate).integrated_loudness(padded.astype(np.float64)))


def matched_gains(versions: Mapping[str, Audio]) -> dict[str, float]:
    """Gains that bring the versions of a clip to one loudness; all are reduced if a peak would exceed full scale."""
    levels = {name: loudness(audio) for name, audio in versions.items()}
    gains = {n: 10 ** ((LOUDNESS - level) / 20) if np.isfinite(level) else 1.0 for n, level in levels.items()}
    peaks = [gains[n] * float(np.abs(versions[n].samples).max(initial=0.0)) for n in versions]
    attenuation = min(1.0, max(LOWEST, PEAK / max([*peaks, 1e-9])))
    return {name: gain * attenuation for name, gain in gains.items()}


def mp3(audio: Audio, gain: float) -> bytes:
    """The sound times `gain`, compressed for listening; scores are never computed from the compressed sound."""
    import soundfile

    rate = next((rate for rate in MP3_RATES if rate >= audio.rate), MP3_RATES[-1])
    samples = resample(audio.samples, audio.rate, rate) * gain
    sink = io.BytesIO()
    soundfile.write(
        sink, np.clip(samples, -1, 1), rate, format="MP3", subtype="MPEG_LAYER_III", compression_level=QUALITY
    )
    return sink.getvalue()


@dataclass(frozen=True)
class Picture:
    content: bytes
    khz: float
    """Frequency at the upper edge of the picture."""


def spectrogram(audio: Audio, gain: float) -> Picture:
    """A PNG of the log power spectrogram, up to half the sampling rate; the colours span `FLOOR_DB`."""
    shade = (levels(audio.samples * gain, audio.rate, len(audio.samples)) + 10 + FLOOR_DB) / FLOOR_DB
    return Picture(_picture(shade, "magma"), audio.rate / 2000)


def difference(audio: Audio, gain: float, reference: Audio, reference_gain: float) -> Picture:
    """A WebP of the sound's level minus the reference's, up to half the lower rate; colours span ±`DIFFERENCE_DB`."""
    rate = min(audio.rate, reference.rate)
    theirs = resample(reference.samples, reference.rate, rate) * reference_gain
    ours = fit(resample(audio.samples, audio.rate, rate), len(theirs)) * gain
    least = -10 - FLOOR_DB
    high, low = (np.maximum(levels(sound, rate, len(theirs)), least) for sound in (ours, theirs))
    return Picture(_picture((high - low) / (2 * DIFFERENCE_DB) + 0.5, "RdBu_r", lossy=True), rate / 2000)


def levels(samples: FloatArray, rate: int, length: int) -> FloatArray:
    """Level in dB [band, frame], the highest band first; frames of 32 ms, about `FRAMES` over `length` samples."""
    from scipy.signal.windows import hann

    window = hann(int(0.032 * rate), sym=False).astype(np.float32)
    hop = max(1, length // FRAMES)
    half = len(window) // 2
    padded: FloatArray = np.pad(samples, (half, len(window)))  # frames are centred at 0, hop, 2 hop ...
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop][: length // hop + 1]
    power = np.abs(np.fft.rfft(frames * (window / window.sum()), axis=1).T) ** 2
    edges = np.linspace(0, power.shape[0], BANDS + 1).astype(int)
    return np.asarray(10 * np.log10(np.add.reduceat(power, edges[:-1], axis=0) + 1e-12))[::-1]


def waveform(audio: Audio, gain: float) -> bytes:
    """A PNG of the range of the samples in each of `FRAMES` columns; the upper and lower edges are full scale."""
    from PIL import Image

    columns = np.array_split(np.clip(audio.samples * gain, -1, 1), max(1, min(FRAMES, len(audio.samples))))
    low, high = (np.array([end(column) for column in columns]) for end in (np.min, np.max))
    row = np.linspace(1, -1, WAVEFORM_ROWS)[:, None]
    drawn = (row <= high + 1 / WAVEFORM_ROWS) & (row >= low - 1 / WAVEFORM_ROWS)
    picture = Image.fromarray(drawn.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, *INK])
    sink = io.BytesIO()
    picture.save(sink, "png", bits=1, transparency=0)
    return sink.getvalue()


def _picture(shade: NDArray[np.floating], colours: str, lossy: bool = False) -> bytes:
    """A picture of numbers from 0 to 1 in a colour map of matplotlib, as PNG or (lossy) WebP."""
    from matplotlib import colormaps
    from PIL import Image

    picture = Image.fromarray(np.round(255 * np.clip(shade, 0, 1)).astype(np.uint8)).convert("P")
    picture.putpalette(colormaps[colours](np.arange(256), bytes=True)[:, :3].tobytes())
    sink = io.BytesIO()
    if lossy:
        picture.convert("RGB").save(sink, "webp", quality=LOSSY)
    else:
        picture.save(sink, "png")
    return sink.getvalue()
