"""Sounds for listening: each clip's versions at one loudness, compressed, with a spectrogram."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from restorebench.benchmark.audio import resample
from restorebench.benchmark.types import Audio, FloatArray

LOUDNESS = -23.0
"""LUFS that versions are brought to, or lower where a peak would pass full scale."""
PEAK = 0.97
LOWEST = 0.25
"""Attenuation floor (-12 dB): a version with a click is clipped rather than every version turned down."""
SHORTEST_S = 0.4
"""One block of BS.1770."""
QUALITY = 0.6
"""Of libsndfile's variable-rate MP3, 0 the best: about 60 kbit/s for full-band speech."""
MP3_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
BANDS, FRAMES = 128, 480
"""Size of a spectrogram in pixels."""
FLOOR_DB = 80.0


def loudness(audio: Audio) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4); -inf for silence."""
    import pyloudnorm

    padded = np.resize(audio.samples, max(len(audio.samples), int(SHORTEST_S * audio.rate) + 1))
    if not np.any(padded):
        return float("-inf")
    return float(pyloudnorm.Meter(audio.rate).integrated_loudness(padded.astype(np.float64)))


def matched_gains(versions: Mapping[str, Audio]) -> dict[str, float]:
    """Factors that bring the versions of a clip to one loudness, all lower where a peak would pass full scale."""
    levels = {name: loudness(audio) for name, audio in versions.items()}
    gains = {n: 10 ** ((LOUDNESS - level) / 20) if np.isfinite(level) else 1.0 for n, level in levels.items()}
    peaks = [gains[n] * float(np.abs(versions[n].samples).max(initial=0.0)) for n in versions]
    lower = min(1.0, max(LOWEST, PEAK / max([*peaks, 1e-9])))
    return {name: gain * lower for name, gain in gains.items()}


def mp3(audio: Audio, gain: float) -> bytes:
    """The sound times `gain`, compressed for listening; scores are never taken from it."""
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
    png: bytes
    khz: float
    """Its upper edge."""


def spectrogram(audio: Audio, gain: float) -> Picture:
    """Log power over time, up to half the rate: [band, frame], 80 dB from white to black."""
    from matplotlib import colormaps
    from PIL import Image
    from scipy.signal.windows import hann

    window = hann(int(0.032 * audio.rate), sym=False).astype(np.float32)
    hop = max(1, len(audio.samples) // FRAMES)
    half = len(window) // 2
    padded: FloatArray = np.pad(audio.samples, (half, len(window)))  # frames are centred at 0, hop, 2 hop ...
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop][: len(audio.samples) // hop + 1]
    power = np.abs(np.fft.rfft(frames * (window * gain / window.sum()), axis=1).T) ** 2
    edges = np.linspace(0, power.shape[0], BANDS + 1).astype(int)
    bands = np.add.reduceat(power, edges[:-1], axis=0)
    level = 10 * np.log10(bands + 1e-12)
    shade = np.clip((level[::-1] + 10 + FLOOR_DB) / FLOOR_DB, 0, 1)
    picture = Image.fromarray(np.round(255 * shade).astype(np.uint8)).convert("P")
    picture.putpalette(colormaps["magma"](np.arange(256), bytes=True)[:, :3].tobytes())
    sink = io.BytesIO()
    picture.save(sink, "png")
    return Picture(sink.getvalue(), audio.rate / 2000)
