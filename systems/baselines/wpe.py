"""Weighted prediction error dereverberation (Nakatani et al. 2010) through nara_wpe, offline, one channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from restorebench.benchmark.audio import fit
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.types import Audio, FloatArray

WINDOW_S, TAPS, DELAY, ITERATIONS = 0.032, 10, 3, 3


class Wpe:
    card = SystemCard(
        name="wpe",
        version=1,
        summary="WPE dereverberation: subtracts the late reverberation that earlier frames predict; needs no weights",
        source="Nakatani et al. 2010; fgnt/nara_wpe",
        packages=("nara_wpe",),
        extra="baselines",
    )

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [Audio(dereverberate(audio.samples, audio.rate), audio.rate) for audio in batch]


def dereverberate(samples: FloatArray, rate: int) -> FloatArray:
    """The signal without its predicted late reverberation, of the same length; silence stays silence."""
    from nara_wpe.wpe import wpe_v8
    from scipy.signal import ShortTimeFFT, windows

    size = 2 * round(WINDOW_S * rate / 2)
    if not np.any(samples):
        return samples
    transform = ShortTimeFFT(windows.hann(size, sym=False), size // 4, rate, scale_to=None)
    padded = fit(samples, max(len(samples), size * (TAPS + DELAY)))
    spectrum = transform.stft(padded)[:, None, :]  # [bin, channel, frame]
    clean = wpe_v8(spectrum, taps=TAPS, delay=DELAY, iterations=ITERATIONS)[:, 0, :]
    restored = transform.istft(clean, k1=len(padded))
    return fit(np.real(restored).astype(np.float32), len(samples))
