"""The speech encoder: |STFT| ** 0.3 -> batch normalisation -> projection -> positions -> blocks (MaskSR2 §II-A)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.masksr.config import ModelConfig
from restorebench.systems.masksr.transformer import blocks, positions
from restorebench.systems.tokenizers.spectrum import compressed_magnitude

MOMENTUM = 0.1
"""Weight of a batch in the running statistics, which are an exponential moving average."""


class SpectrumNorm(nn.BatchNorm1d):
    """Batch normalisation of a network's input, with statistics over the batches of all processes.

    Torch's synchronised version needs an accelerator. Here the input is data, so no gradient flows through the
    statistics, and it is sufficient to sum them over the processes.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, bin, frame], same shape out."""
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            count = x.shape[0] * x.shape[2] * sum_over_processes(x.new_ones(()))
            mean = sum_over_processes(x.sum((0, 2))) / count
            deviation = x - mean[:, None]
            variance = sum_over_processes(deviation.square().sum((0, 2))) / count
            self.running_mean.lerp_(mean, MOMENTUM)
            self.running_var.lerp_(variance * count / (count - 1).clamp(min=1), MOMENTUM)
            self.num_batches_tracked += 1
            normal = deviation / (variance[:, None] + self.eps).sqrt()
        return normal * self.weight[:, None] + self.bias[:, None]


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of `value` over all processes; `value` is overwritten with it."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(value)
    return value


class SpeechEncoder(nn.Module):
    def __init__(self, config: ModelConfig, hop: int) -> None:
        super().__init__()
        self.config, self.hop = config, hop
        bins = config.window // 2 + 1
        self.norm = SpectrumNorm(bins)
        self.project = nn.Linear(bins, config.width)
        self.dense = nn.Linear(config.width, config.width) if config.dense else None
        self.blocks = blocks(config.encoder_blocks, config.width, config.heads, config.mlp, config.dropout)

    def forward(self, audio: Tensor) -> Tensor:
        """Features [batch, frame, width] of degraded audio [batch, time]."""
        magnitude = compressed_magnitude(audio, self.config.window, self.hop, self.config.alignment)
        x = self.project(self.norm(magnitude).transpose(1, 2))
        if self.dense is not None:
            x = self.dense(functional.gelu(x))
        encoded: Tensor = self.blocks(x + positions(x.shape[1], x.shape[2], x.device).to(x.dtype))
        return encoded
