"""Pre-norm self-attention blocks and fixed sinusoidal positions (MaskSR2 §III-B)."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)); attention is bidirectional."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.widen = nn.Linear(width, mlp_ratio * width)
        self.narrow = nn.Linear(mlp_ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, frame, width], same shape out."""
        x = x + self._drop(self.output(self._attend(self.norm_attention(x))))
        return x + self._drop(self.narrow(functional.gelu(self.widen(self.norm_mlp(x)))))

    def _attend(self, x: Tensor) -> Tensor:
        batch, frames, width = x.shape
        split = self.query_key_value(x).view(batch, frames, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [batch, head, frame, width / heads]
        mixed = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.dropout if self.training else 0.0
        )
        return mixed.transpose(1, 2).reshape(batch, frames, width)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


def blocks(count: int, width: int, heads: int, mlp_ratio: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(*(Block(width, heads, mlp_ratio, dropout) for _ in range(count)))


@cache
def positions(frames: int, width: int, device: torch.device) -> Tensor:
    """Sinusoidal positions [frame, width]: sines in the even channels, cosines in the odd ones."""
    frame = torch.arange(frames, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10_000.0) / width))
    table = torch.empty(frames, width, dtype=torch.float64)
    table[:, 0::2], table[:, 1::2] = (frame * rate).sin(), (frame * rate).cos()
    with torch.inference_mode(False):  # the cached tensor is also used in training
        return table.float().to(device).clone()
