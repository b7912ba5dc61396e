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
    """1, -1, or 0 where the output's waveform does not correlate with the input's."""
    gain_db: float
    """Level of the output above that of its input."""
    exact: bool
    """True where the delay comes from the waveforms (GCC-PHAT), False where it comes from the loudness over time."""


def align(estimate: FloatArray, original: FloatArray, rate: int) -> Alignment:
    """Compares an output `estimate` [time] with `original` [time], its input or its reference, both at `rate` Hz.

    The delay is the peak of the generalised cross-correlation with phase transform (Knapp & Carter 1976). If the
    waveforms do not correlate, as with generative systems, the loudness over 10 ms is correlated instead;
    this delay is accurate to about 2 ms, and `exact` is False.
    """
    lag = _peak(estimate, original, whitened=True)
    shifted_estimate, shifted_original = _overlap(estimate, original, lag)
    norm = float(np.linalg.norm(shifted_estimate) * np.linalg.norm(shifted_original))
    correlation = float(shifted_estimate @ shifted_original) / norm if norm else 0.0
    gain_db = 20 * np.log10(_rms(estimate) / _rms(original))
    if abs(correlation) >= COMMON:
        return Alignment(lag / rate, 1 if correlation > 0 else -1, gain_db, exact=True)
    hop = max(1, round(rate / 1000))
    lag = _peak(_loudness(estimate, rate)[::hop], _loudness(original, rate)[::hop], whitened=False)
    return Alignment(lag * hop / rate, 0, gain_db, exact=False)


def _peak(estimate: FloatArray, original: FloatArray, whitened: bool) -> int:
    """Number of samples by which `estimate` is later than `original`."""
    size = 2 * max(len(estimate), len(original))
    cross = np.fft.rfft(estimate, size) * np.conj(np.fft.rfft(original, size))
    if whitened:
        magnitude = np.abs(cross)
        cross = cross / (magnitude + 1e-3 * magnitude.max() + 1e-20)
    correlation = np.fft.irfft(cross, size)
    lag = int(np.argmax(np.abs(correlation) if whitened else correlation))
    return lag if lag < size // 2 else lag - size


def _overlap(estimate: FloatArray, original: FloatArray, lag: int) -> tuple[FloatArray, FloatArray]:
    shifted_estimate, shifted_original = estimate[max(lag, 0) :], original[max(-lag, 0) :]
    length = min(len(shifted_estimate), len(shifted_original))
    return shifted_estimate[:length].astype(np.float64), shifted_original[:length].astype(np.float64)


def _loudness(samples: FloatArray, rate: int) -> FloatArray:
    """Root mean square over 10 ms around every sample, minus its mean over the clip."""
    window = max(1, round(LOUDNESS_S * rate))
    loudness = np.sqrt(np.convolve(samples.astype(np.float64) ** 2, np.ones(window) / window, mode="same"))
    centred: FloatArray = (loudness - loudness.mean()).astype(np.float32)
    return centred


def _rms(samples: FloatArray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) + 1e-12
