"""Mel energies as `librosa.feature.melspectrogram` gives them, with librosa's own filters.

The first import of `librosa.feature` compiles machine code, which takes half a minute on a fresh installation; the
import of `librosa.filters` does not. The results equal librosa's up to float rounding (tests/oracles).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.types import FloatArray


@cache
def filters(rate: int, size: int, bands: int) -> FloatArray:
    """Slaney's mel filters [band, bin] for frames of `size` samples."""
    from librosa.filters import mel

    basis: FloatArray = mel(sr=rate, n_fft=size, n_mels=bands)
    return basis


def mel_energies(
    samples: FloatArray, rate: int, size: int, hop: int, bands: int, window: NDArray[np.float64], centred: bool
) -> FloatArray:
    """Mel-filtered power spectra [band, frame] of sound [time].

    Args:
        size: samples of the Fourier transform.
        hop: samples between two frames.
        window: weights [at most `size`], centred in a frame.
        centred: whether frames are centred on multiples of the hop, with zeros beyond the ends.
    """
    from scipy import fft

    left = (size - len(window)) // 2
    weights = np.pad(window, (left, size - len(window) - left))
    padded = np.pad(samples, size // 2) if centred else samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    power = np.square(np.abs(fft.rfft(frames * weights, axis=1)).astype(np.float32))
    energies: FloatArray = filters(rate, size, bands) @ power.T
    return energies
