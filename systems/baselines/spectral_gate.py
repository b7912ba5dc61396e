"""Spectral gating: bins near the estimated noise floor are attenuated. A classical baseline for denoising.

The noise power of each bin is its 10th percentile over time, scaled to the mean of an exponential distribution and
multiplied by 1.5; the gain is a Wiener gain on the decision-directed a-priori SNR. Source: Ephraim & Malah 1984,
equations 50-51 (decision directed), with a Wiener gain instead of the MMSE gain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from restorebench.benchmark.audio import fit
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.types import Audio, FloatArray

WINDOW_S, SMOOTHING, FLOOR_DB, OVERSUBTRACTION = 0.032, 0.96, -18.0, 1.5
PERCENTILE = 10.0


class SpectralGate:
    card = SystemCard(
        name="spectral-gate",
        version=1,
        summary="Wiener gain on a percentile noise estimate; needs no weights",
        source="Ephraim & Malah 1984, equations 50-51 (decision-directed SNR)",
    )

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [Audio(gate(audio.samples, audio.rate), audio.rate) for audio in batch]


def gate(samples: FloatArray, rate: int) -> FloatArray:
    """The gated signal, of the same length. samples [time], any rate."""
    from scipy.signal import ShortTimeFFT, windows

    size = 2 * round(WINDOW_S * rate / 2)
    transform = ShortTimeFFT(windows.hann(size, sym=False), size // 4, rate, scale_to=None)
    padded = fit(samples, max(len(samples), size))
    spectrum = transform.stft(padded)
    power = np.abs(spectrum) ** 2
    # The p-th quantile of an exponential distribution of mean m is -m ln(1 - p).
    noise = np.percentile(power, PERCENTILE, axis=1) / -np.log1p(-PERCENTILE / 100) * OVERSUBTRACTION
    posterior = power / np.maximum(noise[:, None], 1e-12)
    floor = 10 ** (FLOOR_DB / 20)
    gain = np.empty_like(power)
    clean = np.ones(len(power))
    for frame in range(power.shape[1]):
        prior = SMOOTHING * clean + (1 - SMOOTHING) * np.maximum(posterior[:, frame] - 1, 0)
        gain[:, frame] = np.maximum(prior / (1 + prior), floor)
        clean = gain[:, frame] ** 2 * posterior[:, frame]
    restored = transform.istft(spectrum * gain, k1=len(padded))
    return fit(np.real(restored).astype(np.float32), len(samples))
