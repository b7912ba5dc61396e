"""Small discriminators on STFTs, and the two losses that they give a codec.

Each discriminator has one window length. Its inputs are the real and the imaginary part of the STFT, compressed to
|S| ** 0.3, and the log magnitude. A patch embedding over frequency is followed by 3 x 3 convolutions. The losses are
least squares (Mao et al. 2017) and feature matching relative to the magnitude of the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from restorebench.systems.tokenizers.spectrum import hann

WINDOWS = ((256, 4), (512, 8), (1024, 8))
"""(STFT window in samples, bins of a patch)"""
CHANNELS = 32
SLOPE = 0.1


class Judged(NamedTuple):
    logits: Tensor
    features: list[Tensor]


class StftDiscriminator(nn.Module):
    def __init__(self, window: int, patch: int, channels: int = CHANNELS) -> None:
        super().__init__()
        self.window = window
        self.embed = weight_norm(nn.Conv2d(3, channels, (2 * patch, 3), stride=(patch, 1), padding=(patch // 2, 1)))
        strides = ((2, 1), (2, 2), (1, 1))
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(channels, channels, 3, stride=stride, padding=1)) for stride in strides
        )
        self.out = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))
        self.places = nn.Parameter(torch.zeros(1, channels, window // 2 // patch, 1))
        """Learned embedding of a patch's frequency, which convolutions do not represent."""

    def forward(self, audio: Tensor) -> Judged:
        """audio [batch, time]"""
        spectrum = torch.stft(
            audio.float(), self.window, self.window // 4, window=hann(self.window, audio.device), return_complex=True
        )[:, :-1]
        power = spectrum.real.square() + spectrum.imag.square() + 1e-8
        scale = power**-0.35
        inputs = torch.stack([spectrum.real * scale, spectrum.imag * scale, 0.15 * power.log() + 0.5], 1)
        hidden = functional.leaky_relu(self.embed(inputs) + self.places, SLOPE)
        features = [hidden]
        for layer in self.layers:
            hidden = functional.leaky_relu(layer(hidden), SLOPE)
            features.append(hidden)
        return Judged(self.out(hidden), features)


class Discriminators(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(StftDiscriminator(window, patch) for window, patch in WINDOWS)

    def forward(self, audio: Tensor) -> list[Judged]:
        return [part(audio) for part in self.parts]


def discriminator_loss(outputs: Sequence[Judged]) -> Tensor:
    """Least squares: clean towards 1, estimate towards 0. Each batch is the clean clips, then the estimates."""
    losses = []
    for output in outputs:
        clean, estimate = output.logits.float().chunk(2)
        losses.append((1 - clean).square().mean() + estimate.square().mean())
    return torch.stack(losses).mean()


def generator_losses(estimate: Sequence[Judged], clean: Sequence[Judged]) -> tuple[Tensor, Tensor]:
    """(adversarial loss, feature matching loss) of the codec.

    The adversarial loss pulls the logits of the estimate towards 1. Feature matching is the mean absolute difference
    of the features, divided by the mean magnitude of the clean features.
    """
    adversarial = torch.stack([(1 - output.logits.float()).square().mean() for output in estimate]).mean()
    distances = [
        functional.l1_loss(feature.float(), target.float()) / (target.float().abs().mean() + 1e-3)
        for estimate_output, clean_output in zip(estimate, clean, strict=True)
        for feature, target in zip(estimate_output.features, clean_output.features, strict=True)
    ]
    return adversarial, torch.stack(distances).mean()
