"""The diffusion backbone: a Llama-style transformer over one window of frames (SISE §3).

RMSNorm before each part, rotary positions, SwiGLU, no biases; attention is bidirectional.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

THETA = 10_000.0
Angles = tuple[Tensor, Tensor]
"""Cosines and sines of rotary positions."""


class Block(nn.Module):
    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm_attention = nn.RMSNorm(width, eps=1e-6)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.norm_feed_forward = nn.RMSNorm(width, eps=1e-6)
        self.gate_up = nn.Linear(width, 2 * feed_forward, bias=False)
        self.down = nn.Linear(feed_forward, width, bias=False)

    def forward(self, x: Tensor, angles: Angles, attended: Tensor | None) -> Tensor:
        """x [batch, frame, width], same shape out."""
        x = x + self._drop(self.output(self._attend(self.norm_attention(x), angles, attended)))
        gate, up = self.gate_up(self.norm_feed_forward(x)).chunk(2, dim=-1)
        return x + self._drop(self.down(functional.silu(gate) * up))

    def _attend(self, x: Tensor, angles: Angles, attended: Tensor | None) -> Tensor:
        batch, frames, width = x.shape
        split = self.query_key_value(x).view(batch, frames, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [batch, head, frame, width / heads]
        mixed = functional.scaled_dot_product_attention(
            rotated(query, *angles),
            rotated(key, *angles),
            value,
            attn_mask=None if attended is None else attended[:, None, None],
            dropout_p=self.dropout if self.training else 0.0,
        )
        return mixed.transpose(1, 2).reshape(batch, frames, width)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


class Backbone(nn.Module):
    def __init__(self, width: int, heads: int, blocks: int, feed_forward: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, feed_forward, dropout) for _ in range(blocks))
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.channels = width // heads

    def forward(self, x: Tensor, positions: Tensor | None = None, attended: Tensor | None = None) -> Tensor:
        """Hidden states [batch, frame, width] of inputs of the same shape.

        positions [batch, frame]: rotary positions, 0, 1, ... if None; attended [batch, frame] bool: the inputs that all
        others attend to, all if None.
        """
        if positions is None:
            angles = rotations(x.shape[1], self.channels, x.device)
        else:
            angles = rotations_at(positions, self.channels)
        for block in self.blocks:
            x = block(x, angles, attended)
        hidden: Tensor = self.norm(x)
        return hidden


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions: channels i and i + half of x [batch, head, frame, channel] are rotated by angle [..., i]."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
    return turned.to(x.dtype)


@cache
def rotations(frames: int, channels: int, device: torch.device) -> Angles:
    """Cosines and sines [frame, channel / 2] of frame * theta ** (-2 i / channels)."""
    with torch.inference_mode(False):  # the cached tensors are also used in training
        angle = torch.arange(frames, dtype=torch.float64)[:, None] * _rates(channels)
        return angle.cos().float().to(device), angle.sin().float().to(device)


def rotations_at(positions: Tensor, channels: int) -> Angles:
    """As `rotations`, at positions [batch, frame]: each [batch, 1, frame, channel / 2]."""
    angle = positions[:, None, :, None].double() * _rates(channels).to(positions.device)
    return angle.cos().float(), angle.sin().float()


def _rates(channels: int) -> Tensor:
    return THETA ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
