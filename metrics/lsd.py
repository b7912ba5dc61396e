"""Log-spectral distance (LSD) between the magnitude spectrograms of reference and estimate.

LSD = mean_t sqrt( mean_f ( log10( T² / (E + eps)² + eps ) )² ), eps = 1e-12, T the target's and E the estimate's
magnitude. Hann window of int(2048 rate / 44100) samples, hop int(rate / 100), frames centred with zero padding, at the
reference's rate; no gain fitting. Lower is better. Two definitions:

- `lsd`, the published definition. It is sensitive to gain and delay. A frame in which both signals are digital silence
  has the distance 12, so the distance of a clip with such frames to itself is not 0.
- `lsd@active`, our definition. Powers have a floor 100 dB below the reference's strongest bin, and only those frames
  count in which the reference is within 40 dB of its loudest frame. Silence in the reference then does not
  count, and silence in the estimate gives no extreme values.

Source: haoheliu/ssr_eval @7129ee8 metrics.py, haoheliu/voicefixer_main @374e0d7 evaluation_proc/metrics.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import FloatArray, Outcome

EPS = 1e-12
FLOOR_DB = -100.0
ACTIVE_DB = -40.0
KEEP_S = 60.0


def window_and_hop(rate: int) -> tuple[int, int]:
    """Lengths of the analysis window and of the hop, in samples."""
    return int(2048 * rate / 44100), int(rate / 100)


def magnitudes(samples: FloatArray, rate: int) -> FloatArray:
    """STFT magnitudes [frame, bin]; frames are centred on multiples of the hop, with zero padding at the ends."""
    from scipy import fft

    size, hop = window_and_hop(rate)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)  # float64: rounding errors matter in empty bands
    padded = np.pad(samples, size // 2)
    if len(padded) < size:
        padded = np.pad(padded, (0, size - len(padded)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    out = np.empty((len(frames), size // 2 + 1), np.float32)
    for start in range(0, len(frames), 256):  # blocks bound the memory on long clips
        out[start : start + 256] = np.abs(fft.rfft(frames[start : start + 256] * hann, axis=1))
    return out


def lsd(target: FloatArray, estimate: FloatArray) -> float:
    """The published distance of two magnitude spectrograms [frame, bin]."""
    ratio = np.square(target) / np.square(estimate + np.float32(EPS)) + np.float32(EPS)
    return float(np.mean(np.sqrt(np.mean(np.square(np.log10(ratio)), axis=1)), dtype=np.float64))


def lsd_active(target: FloatArray, estimate: FloatArray) -> float:
    """The distance of `lsd@active`. Raises ValueError when the target has no active frame."""
    power, estimate_power = np.square(target), np.square(estimate)
    energy = power.sum(axis=1)
    if not energy.max() > 0:
        raise ValueError("the reference is digital silence: no active frame")
    active = energy >= energy.max() * 10 ** (ACTIVE_DB / 10)
    floor = power.max() * np.float32(10 ** (FLOOR_DB / 10))
    difference = np.log10(np.maximum(power[active], floor)) - np.log10(np.maximum(estimate_power[active], floor))
    return float(np.mean(np.sqrt(np.mean(np.square(difference), axis=1)), dtype=np.float64))


def spectrogram(clip: Clip) -> FloatArray:
    """The clip's magnitudes; both definitions share them if the clip has at most `KEEP_S` seconds."""
    if clip.audio.seconds > KEEP_S:
        return magnitudes(clip.audio.samples, clip.audio.rate)
    return clip.once("lsd magnitudes", lambda: magnitudes(clip.audio.samples, clip.audio.rate))


class Lsd:
    card = MetricCard(
        name="lsd",
        version=1,
        summary="Log-spectral distance as VoiceFixer and MaskSR2 publish it",
        source="VoiceFixer (Liu et al. 2022), ssr_eval @7129ee8; MaskSR2 §III-D",
        cost=0.01,
        needs=frozenset({"reference"}),
        definition="log10-power|win=2048@44100|hop=10ms|eps=1e-12|centre=zeros|gain=none",
        values=(
            Value(
                name="lsd",
                label="LSD",
                unit="log10",
                direction="lower",
                decimals=3,
                ideal=0.0,
                role="fidelity",
                headline=True,
                margin=0.05,
            ),
        ),
    )
    distance = staticmethod(lsd)

    def prepare(self, subject: Subject) -> FloatArray:
        return spectrogram(subject.reference)

    def score(self, prepared: FloatArray, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        name = self.card.values[0].name
        return [{name: Outcome(self.distance(prepared, spectrogram(clip)))} for clip in estimates]


class LsdActive(Lsd):
    card = MetricCard(
        name="lsd@active",
        version=1,
        summary="Log-spectral distance with a power floor, over the frames in which the reference is active",
        source="this project; see metrics/lsd.py",
        cost=0.01,
        needs=frozenset({"reference"}),
        definition="log10-power|win=2048@44100|hop=10ms|floor=-100dB|active=-40dB|centre=zeros|gain=none",
        values=(
            Value(
                name="lsd@active",
                label="LSD active",
                unit="log10",
                direction="lower",
                decimals=3,
                ideal=0.0,
                role="fidelity",
            ),
        ),
    )
    distance = staticmethod(lsd_active)
