"""Runs a compiled denoiser frame by frame; zeros are appended to the clip, and the denoiser's delay is removed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from restorebench.benchmark.types import FloatArray

Samples = ctypes.POINTER(ctypes.c_float)


def frame_by_frame(samples: FloatArray, size: int, delay: int, process: Callable[[Any, Any], object]) -> FloatArray:
    """The output of a denoiser for samples [time], of the same length.

    Args:
        samples: Signal at the library's sample rate and scale.
        size: Samples of a frame.
        delay: Delay of the output in samples.
        process: Called with a pointer to a frame, and a pointer to the memory for its output.
    """
    frames = -(-(len(samples) + delay) // size)
    padded = np.pad(samples, (0, frames * size - len(samples))).astype(np.float32)
    output = np.empty_like(padded)
    for start in range(0, len(padded), size):
        process(padded[start:].ctypes.data_as(Samples), output[start:].ctypes.data_as(Samples))
    return output[delay : delay + len(samples)]
