"""The diffusion backbone: a Llama-style transformer over one window of frames (SISE §3).

RMSNorm before each part, rotary positions, SwiGLU, no biases; attention is bidirectional.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

THETA = 10_000.0


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

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, frame, width], same shape out."""
        x = x + self._drop(self.output(self._attend(self.norm_attention(x))))
        gate, up = self.gate_up(self.norm_feed_forward(x)).chunk(2, dim=-1)
        return x + self._drop(self.down(functional.silu(gate) * up))

    def _attend(self, x: Tensor) -> Tensor:
        batch, frames, width = x.shape
        split = self.query_key_value(x).view(batch, frames, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [batch, head, frame, width / heads]
        cosine, sine = rotations(frames, width // self.heads, x.device)
        mixed = functional.scaled_dot_product_attention(
            rotated(query, cosine, sine),
            rotated(key, cosine, sine),
            value,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return mixed.transpose(1, 2).reshape(batch, frames, width)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


class Backbone(nn.Module):
    def __init__(self, width: int, heads: int, blocks: int, feed_forward: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, heads, feed_forward, dropout) for _ in range(blocks)))
        self.norm = nn.RMSNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Hidden states [batch, frame, width] of inputs of the same shape."""
        hidden: Tensor = self.norm(self.blocks(x))
        return hidden


def rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions: channels i and i + half of x [batch, head, frame, channel] are rotated by angle [frame, i]."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
    return turned.to(x.dtype)


@cache
def rotations(frames: int, channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [frame, channel / 2] of frame * theta ** (-2 i / channels)."""
    with torch.inference_mode(False):  # the cached tensors are also used in training
        rate = THETA ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
        angle = torch.arange(frames, dtype=torch.float64)[:, None] * rate
        return angle.cos().float().to(device), angle.sin().float().to(device)
