"""RNNoise through its C library: gains on 32 bands and a pitch filter, frame by frame (48 kHz, causal).

Source: Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement", MMSP 2018; xiph/rnnoise.
The compiled library comes out of a wheel of pyrnnoise, and runs in this process. It wants samples in the range of
16-bit integers. Its output comes 960 samples late, measured by cross-correlation; as many zeros are fed at the end, and
the delay is removed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np

from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.data.weights import fetch
from restorebench.benchmark.types import Audio, FloatArray

FRAME, DELAY = 480, 960
"""Samples at 48 kHz."""
FULL_SCALE = 32768.0


class RnNoise:
    card = SystemCard(
        name="rnnoise",
        version=1,
        summary="RNNoise denoiser, 48 kHz, the weights of its C library",
        source="Valin 2018; github.com/xiph/rnnoise",
        licence="BSD-3-Clause",
        rate=48_000,
        weights=("rnnoise",),
        cost=0.03,
    )

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [Audio(denoise(audio.samples), audio.rate) for audio in batch]


def denoise(samples: FloatArray) -> FloatArray:
    """samples [time] at 48 kHz, denoised, of the same length."""
    frames = -(-(len(samples) + DELAY) // FRAME)
    given = np.pad(samples * FULL_SCALE, (0, frames * FRAME - len(samples))).astype(np.float32)
    made = np.empty_like(given)
    with denoiser() as state:
        for start in range(0, len(given), FRAME):
            library().rnnoise_process_frame(state, _at(made, start), _at(given, start))
    restored: FloatArray = made[DELAY : DELAY + len(samples)] / np.float32(FULL_SCALE)
    return restored


@contextmanager
def denoiser() -> Iterator[int]:
    """The network's state at the start of a clip; it remembers what it hears."""
    state = library().rnnoise_create(None)
    try:
        yield state
    finally:
        library().rnnoise_destroy(state)


@cache
def library() -> ctypes.CDLL:
    """The compiled library, loaded once per process."""
    loaded = ctypes.CDLL(str(fetch("rnnoise")))
    samples = ctypes.POINTER(ctypes.c_float)
    loaded.rnnoise_create.argtypes = [ctypes.c_void_p]
    loaded.rnnoise_create.restype = ctypes.c_void_p
    loaded.rnnoise_process_frame.argtypes = [ctypes.c_void_p, samples, samples]
    loaded.rnnoise_process_frame.restype = ctypes.c_float
    loaded.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    loaded.rnnoise_destroy.restype = None
    return loaded


def _at(samples: FloatArray, start: int) -> ctypes._Pointer[ctypes.c_float]:
    return samples[start:].ctypes.data_as(ctypes.POINTER(ctypes.c_float))
