"""Restoration in non-overlapping windows, so that a model needs no more memory for a long file than for a short one.

A window's seed is derived from its clip's seed and its start, so neither batch nor order changes what is sampled.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from restorebench.benchmark.audio import fit
from restorebench.benchmark.types import Audio, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

JOINED_S = 40.0
"""Approximate length in seconds of the audio that a `seamless` codec decodes in one call."""
GROUP = {"cpu": 1, "cuda": 16}
"""Windows sampled together. On a CPU one window uses all cores."""


def device() -> str:
    """The device of the models. Part of a restoration's identity: rounding differs by device and affects sampling."""
    if not Path("/proc/driver/nvidia").exists() and shutil.which("nvidia-smi") is None:
        return "cpu"  # without a driver there is no GPU; importing torch to find out takes seconds
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class Window(NamedTuple):
    clip: int
    start: int
    """In samples."""
    samples: FloatArray


Sample = Callable[[Sequence[Window]], "Tensor"]
"""Windows -> codes or latents [window, channel, frame]."""
Decode = Callable[["Tensor"], "Tensor"]
"""Codes or latents [piece, channel, frame] -> audio [piece, time]."""


def restore_windows(
    batch: Sequence[Audio], length: int, group: int, sample: Sample, decode: Decode, joined: int = 1
) -> list[Audio]:
    """Restored clips of the inputs' lengths.

    Clips are cut into windows of `length` samples; exactly `group` windows are sampled together. Every `joined`
    consecutive windows of a clip are decoded in one call, so that there is no discontinuity between them.
    """
    restored: list[list[Tensor]] = [[] for _ in batch]
    windows = _windows(batch, length)
    silent = Window(0, 0, np.zeros(length, dtype=np.float32))
    while real := list(islice(windows, group)):
        full = [*real, *[silent] * (group - len(real))]  # equal shapes for all groups: rounding depends on the shape
        for window, output in zip(real, sample(full), strict=False):
            restored[window.clip].append(output)
    return [
        Audio(fit(_sound(parts, decode, group, joined), len(audio.samples)), audio.rate)
        for parts, audio in zip(restored, batch, strict=True)
    ]


def _sound(parts: list[Tensor], decode: Decode, group: int, joined: int) -> FloatArray:
    """Audio [time] of one clip from the codes or latents [channel, frame] of its windows."""
    import torch

    if not parts:
        return np.zeros(0, dtype=np.float32)
    if joined > 1:
        pieces = [torch.cat(parts[i : i + joined], dim=1)[None] for i in range(0, len(parts), joined)]
    else:
        pieces = [torch.stack(parts[i : i + group]) for i in range(0, len(parts), group)]
    return np.concatenate([decode(piece).float().cpu().numpy().ravel() for piece in pieces])


def _windows(batch: Sequence[Audio], length: int) -> Iterator[Window]:
    """Windows of all clips, one after the other; the last of a clip is padded with zeros on the right."""
    for clip, audio in enumerate(batch):
        for start in range(0, len(audio.samples), length):
            yield Window(clip, start, fit(audio.samples[start : start + length], length))
