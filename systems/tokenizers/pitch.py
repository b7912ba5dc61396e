"""Pitch of speech frame by frame, on any device: YIN (de Cheveigné & Kawahara 2002, §II) for whole batches."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from restorebench.systems.tokenizers.tokenizer import frames_of

LOWEST_HZ, HIGHEST_HZ = 60.0, 420.0
WINDOW_S = 0.032
"""Length over which the signal is compared with its shifted self."""
THRESHOLD = 0.15
"""Aperiodicity below which the shortest period is taken (YIN, step 4)."""
MARGIN = 0.05
"""A period whose aperiodicity exceeds the smallest one by at most this much is treated as below the threshold."""
MEDIAN = 5
"""Length in frames of the median filter that removes octave errors of single frames."""
SILENCE = 1e-3
"""RMS, in full scale, below which a frame counts as unvoiced."""


class Pitch(NamedTuple):
    hz: Tensor
    """[batch, frame], within [60, 420] also where nothing is voiced."""
    periodicity: Tensor
    """[batch, frame] in [0, 1]: 1 - aperiodicity at that period; above about 0.7 in voiced speech."""


@torch.no_grad()
def track(audio: Tensor, rate: int, hop: int) -> Pitch:
    """Pitch of audio [batch, time] for frames of `hop` samples, each measured around its middle."""
    frames = frames_of(audio.shape[-1], hop)
    shortest, longest = int(rate / HIGHEST_HZ), int(rate / LOWEST_HZ) + 1
    window = round(WINDOW_S * rate)
    size = window + longest
    left = (size - hop) // 2
    padded = functional.pad(audio.float(), (left, frames * hop - audio.shape[-1] + size - hop - left))
    pieces = padded.unfold(-1, size, hop)[:, :frames]  # [batch, frame, size]
    difference = _difference(pieces, window, longest)
    mean = difference[..., 1:].cumsum(-1) / torch.arange(1, longest + 1, device=audio.device)
    normal = (difference[..., 1:] / mean.clamp(min=1e-9))[..., shortest - 1 :]  # lag `shortest` first
    dip = _first_dip(normal)
    offset, depth = _parabola(normal, dip)
    hz = rate / (dip + offset + shortest)
    loud = pieces.square().mean(-1).sqrt() > SILENCE
    periodicity = (1 - depth).clamp(0, 1) * loud
    return Pitch(_median(hz.clamp(LOWEST_HZ, HIGHEST_HZ)), periodicity)


def _difference(pieces: Tensor, window: int, longest: int) -> Tensor:
    """Sum over the window of (x[t] - x[t + lag]) ** 2 for lags 0 to `longest`, [..., lag]."""
    size = 1 << (pieces.shape[-1] + window - 1).bit_length()
    head = torch.fft.rfft(pieces[..., :window], size)
    product = torch.fft.irfft(torch.fft.rfft(pieces, size) * head.conj(), size)[..., : longest + 1]
    energy = functional.pad(pieces.double().square().cumsum(-1), (1, 0))
    shifted = (energy[..., window : window + longest + 1] - energy[..., : longest + 1]).float()
    difference: Tensor = (shifted[..., :1] + shifted - 2 * product).clamp(min=0)
    return difference


def _first_dip(normal: Tensor) -> Tensor:
    """Lag index [batch, frame] of the first local minimum that is low enough in aperiodicities [batch, frame, lag].

    Without such a minimum it is the index of the smallest aperiodicity.
    """
    least, best = normal.min(-1)
    enough = torch.maximum(least + MARGIN, torch.full_like(least, THRESHOLD))[..., None]
    around = functional.pad(normal, (1, 1), value=float("inf"))
    dip = (normal <= around[..., :-2]) & (normal <= around[..., 2:]) & (normal <= enough)
    first = dip.int().argmax(-1)
    return torch.where(dip.any(-1), first, best)


def _parabola(normal: Tensor, dip: Tensor) -> tuple[Tensor, Tensor]:
    """(offset in lags, value) of the parabola's vertex through a dip and its neighbours."""
    inside = dip.clamp(1, normal.shape[-1] - 2)
    before, middle, after = (normal.gather(-1, (inside + d)[..., None])[..., 0] for d in (-1, 0, 1))
    bend = before - 2 * middle + after
    offset = torch.where(bend > 1e-9, 0.5 * (before - after) / bend.clamp(min=1e-9), torch.zeros_like(bend))
    offset = offset.clamp(-0.5, 0.5)
    return offset + (inside - dip), middle - 0.25 * (before - after) * offset


def _median(hz: Tensor) -> Tensor:
    margin = MEDIAN // 2
    around = functional.pad(hz[:, None], (margin, margin), mode="replicate")[:, 0]
    smooth: Tensor = around.unfold(-1, MEDIAN, 1).median(-1).values
    return smooth
