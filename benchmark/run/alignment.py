"""Measures delay, polarity and gain of a restored sound relative to its input or reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorebench.benchmark.types import FloatArray

COMMON = 0.5
"""Lowest absolute correlation of two sounds that count as the same waveform; below, only their loudness is compared."""
LOUDNESS_S = 0.01
DELAYED_MS = 0.5
"""Lowest absolute delay in ms that reports point out, because a delay changes scores that compare waveforms."""


@dataclass(frozen=True)
class Alignment:
    delay_s: float
    """Positive where the output comes late."""
    polarity: int
    """1, -1, or 0 where the output is another waveform than its input."""
    gain_db: float
    """Level of the output above that of its input."""
    exact: bool
    """True where the delay was found from the waveforms (GCC-PHAT), False where from the loudness over time."""


def align(estimate: FloatArray, given: FloatArray, rate: int) -> Alignment:
    """Compares an output `estimate` [time] with its input `given` [time], both at `rate` Hz.

    The delay is the peak of the generalised cross-correlation with phase transform (Knapp & Carter 1976). If the
    waveforms do not correlate, as with generative systems, the loudness over 10 ms is correlated instead;
    that delay is right to about 2 ms, and `exact` is False.
    """
    lag = _peak(estimate, given, whitened=True)
    moved, kept = _overlap(estimate, given, lag)
    norm = float(np.linalg.norm(moved) * np.linalg.norm(kept))
    correlation = float(moved @ kept) / norm if norm else 0.0
    gain_db = 20 * np.log10(_rms(estimate) / _rms(given))
    if abs(correlation) >= COMMON:
        return Alignment(lag / rate, 1 if correlation > 0 else -1, gain_db, exact=True)
    hop = max(1, round(rate / 1000))
    lag = _peak(_loudness(estimate, rate)[::hop], _loudness(given, rate)[::hop], whitened=False)
    return Alignment(lag * hop / rate, 0, gain_db, exact=False)


def _peak(estimate: FloatArray, given: FloatArray, whitened: bool) -> int:
    """Number of samples by which `estimate` is later than `given`."""
    size = 2 * max(len(estimate), len(given))
    cross = np.fft.rfft(estimate, size) * np.conj(np.fft.rfft(given, size))
    if whitened:
        magnitude = np.abs(cross)
        cross = cross / (magnitude + 1e-3 * magnitude.max() + 1e-20)
    correlation = np.fft.irfft(cross, size)
    lag = int(np.argmax(np.abs(correlation) if whitened else correlation))
    return lag if lag < size // 2 else lag - size


def _overlap(estimate: FloatArray, given: FloatArray, lag: int) -> tuple[FloatArray, FloatArray]:
    moved, kept = estimate[max(lag, 0) :], given[max(-lag, 0) :]
    length = min(len(moved), len(kept))
    return moved[:length].astype(np.float64), kept[:length].astype(np.float64)


def _loudness(samples: FloatArray, rate: int) -> FloatArray:
    """Root mean square over 10 ms around every sample, less its mean."""
    window = max(1, round(LOUDNESS_S * rate))
    loudness = np.sqrt(np.convolve(samples.astype(np.float64) ** 2, np.ones(window) / window, mode="same"))
    centred: FloatArray = (loudness - loudness.mean()).astype(np.float32)
    return centred


def _rms(samples: FloatArray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) + 1e-12
