"""The interface of the tokenizers, and the arithmetic of their frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Codebook:
    """One stage of a residual quantiser: the vectors of its codes and the projection that follows the lookup."""

    vectors: Tensor
    """[code, dim]"""
    weight: Tensor
    """[width, dim]"""
    bias: Tensor
    """[width]"""


class Tokenizer(Protocol):
    """Codes are int64 [batch, codebook, frame]; audio is float32 [batch, time], full scale ±1."""

    rate: int
    hop: int
    codebooks: int
    codebook_size: int
    seamless: bool
    """Whether decoding takes so little memory that a minute of codes can be decoded in one call on any machine."""

    def encode(self, audio: Tensor) -> Tensor:
        """Codes of `frames_of(time, hop)` frames; a last partial frame is padded with zeros on the right."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """Audio of frames * hop samples."""
        ...

    def decode_latents(self, quantised: Tensor) -> Tensor:
        """Audio of frames * hop samples, from latents [batch, width, frame], the sum over the quantiser's stages."""
        ...

    def quantiser(self) -> list[Codebook]:
        """The stages, first to last, as plain tensors (weight normalisation resolved)."""
        ...


def frames_of(samples: int, hop: int) -> int:
    """Frames of a sound: ceil(samples / hop)."""
    return -(-samples // hop)


def pad_to_hop(audio: Tensor, hop: int) -> Tensor:
    """Audio [batch, time], zero-padded on the right to a whole number of frames."""
    return torch.nn.functional.pad(audio, (0, frames_of(audio.shape[-1], hop) * hop - audio.shape[-1]))
