"""Non-overlapping windows of many clips through one function: a long file needs no more memory than a short one.

A window's seed comes from its clip's seed and its place, so neither batch nor order changes what is sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from restorebench.benchmark.audio import fit
from restorebench.benchmark.types import Audio, FloatArray

GROUP = {"cpu": 1, "cuda": 16}
"""Windows decoded together. On a CPU one window fills the cores."""


def device() -> str:
    """Where models run. Part of a restoration's identity: devices round differently, and sampling shows it."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class Window(NamedTuple):
    clip: int
    start: int
    """In samples."""
    samples: FloatArray


Decode = Callable[[Sequence[Window]], FloatArray]
"""Restored samples [window, time], at least as long as the windows."""


def restore_windows(batch: Sequence[Audio], length: int, group: int, decode: Decode) -> list[Audio]:
    """Restored clips of the inputs' lengths; windows of `length` samples, always `group` of them decoded together."""
    made = [np.zeros(len(audio.samples), dtype=np.float32) for audio in batch]
    windows = _windows(batch, length)
    silent = Window(0, 0, np.zeros(length, dtype=np.float32))
    while part := list(islice(windows, group)):
        full = [*part, *[silent] * (group - len(part))]  # kernels round by shape: every group has the same
        for window, restored in zip(part, decode(full), strict=False):
            place = made[window.clip][window.start : window.start + length]
            place[:] = restored[: len(place)]
    return [Audio(samples, audio.rate) for samples, audio in zip(made, batch, strict=True)]


def _windows(batch: Sequence[Audio], length: int) -> Iterator[Window]:
    """Windows of all clips, one after the other; the last of a clip is padded with zeros on the right."""
    for clip, audio in enumerate(batch):
        for start in range(0, len(audio.samples), length):
            yield Window(clip, start, fit(audio.samples[start : start + length], length))
