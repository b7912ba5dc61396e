"""Short-time spectra whose frame k is centred on codec frame k, and their inverse.

Frame k of a codec spans [hop k, hop (k + 1)), while torch's centred STFT puts the middle of frame k at hop k: half a
hop early. Padding by (window - hop) / 2 on both sides centres the frames on those of the codec (decision D10).
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from restorebench.systems.tokenizers.tokenizer import frames_of, pad_to_hop

Alignment = Literal["match-stride", "centred"]


@cache
def hann(size: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # the cached tensor is also used in training
        return torch.hann_window(size, device=device)


def spectrum(audio: Tensor, window: int, hop: int, alignment: Alignment = "match-stride") -> Tensor:
    """Complex STFT [batch, bin, frame] of audio [batch, time], with `frames_of(time, hop)` frames."""
    frames = frames_of(audio.shape[-1], hop)
    padded = pad_to_hop(audio, hop)
    margin = (window - hop) // 2 if alignment == "match-stride" else window // 2
    if padded.shape[-1] <= margin:  # too short to be mirrored
        padded = functional.pad(padded, (0, margin + 1 - padded.shape[-1]))
    padded = functional.pad(padded, (margin, margin), mode="reflect")
    if padded.shape[-1] < window:
        padded = functional.pad(padded, (0, window - padded.shape[-1]))
    complex_ = torch.stft(
        padded, window, hop, window=hann(window, audio.device), center=False, return_complex=True, normalized=False
    )
    return complex_[..., :frames]


def compressed_magnitude(audio: Tensor, window: int, hop: int, alignment: Alignment = "match-stride") -> Tensor:
    """|STFT| ** 0.3, [batch, bin, frame] (MaskSR2 §II-A)."""
    return spectrum(audio, window, hop, alignment).abs() ** 0.3


def overlap_add(complex_: Tensor, window: int, hop: int) -> Tensor:
    """Audio [batch, frame * hop] of a match-stride spectrum [batch, bin, frame]: windowed again and normalised.

    `window` must be a multiple of `hop`.
    """
    frames = complex_.shape[-1]
    taper = hann(window, complex_.device)
    grains = torch.fft.irfft(complex_.transpose(1, 2), n=window, dim=2) * taper
    weight = _summed((taper**2).expand(1, frames, window), hop)
    margin = (window - hop) // 2
    inside = slice(margin, margin + frames * hop)
    return _summed(grains, hop)[:, inside] / weight[:, inside]


def _summed(grains: Tensor, hop: int) -> Tensor:
    """Overlap-add [batch, (frame - 1) * hop + window] of grains [batch, frame, window], `hop` samples apart.

    It is one shifted sum per hop of the window, which is cheaper than `torch.nn.functional.fold` in the forward and the
    backward pass.
    """
    batch, frames, window = grains.shape
    parts = window // hop
    total = grains.new_zeros(batch, (frames + parts - 1) * hop)
    for part in range(parts):
        piece = grains[:, :, part * hop : (part + 1) * hop].reshape(batch, frames * hop)
        total = total + functional.pad(piece, (part * hop, (parts - 1 - part) * hop))
    return total
