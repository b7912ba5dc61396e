"""RNNoise through its C library: gains on 32 bands and a pitch filter, frame by frame (48 kHz, causal).

Source: Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement", MMSP 2018; xiph/rnnoise.
The compiled library is extracted from a wheel of pyrnnoise, and runs in this process. Its input and output have the
range of 16-bit integers. The output is delayed by 960 samples, as measured by cross-correlation; zeros are appended to
the input, and the delay is removed.
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
from restorebench.systems.baselines.native import Samples, frame_by_frame

FRAME, DELAY = 480, 960
"""Samples at 48 kHz."""
FULL_SCALE = np.float32(32768)


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
    with denoiser() as state:
        denoised = frame_by_frame(
            samples * FULL_SCALE,
            FRAME,
            DELAY,
            lambda frame, output: library().rnnoise_process_frame(state, output, frame),
        )
    return denoised / FULL_SCALE


@contextmanager
def denoiser() -> Iterator[int]:
    """The network's initial state for one clip; each processed frame updates it."""
    state = library().rnnoise_create(None)
    try:
        yield state
    finally:
        library().rnnoise_destroy(state)


@cache
def library() -> ctypes.CDLL:
    """The compiled library, loaded once per process."""
    loaded = ctypes.CDLL(str(fetch("rnnoise")))
    loaded.rnnoise_create.argtypes = [ctypes.c_void_p]
    loaded.rnnoise_create.restype = ctypes.c_void_p
    loaded.rnnoise_process_frame.argtypes = [ctypes.c_void_p, Samples, Samples]
    loaded.rnnoise_process_frame.restype = ctypes.c_float
    loaded.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    loaded.rnnoise_destroy.restype = None
    return loaded
