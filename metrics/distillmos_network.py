"""The network of DistillMOS: convolutions over spectra with compressed magnitudes, a transformer, attention pooling.

Source: Stahl & Gamper, ICASSP 2025; microsoft/Distill-MOS v0.9.1. Layers are named as in the published checkpoint.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

STFT_SIZE, STFT_HOP, COMPRESSION = 320, 160, 0.3
CHANNELS = (2, 64, 64, 128, 256, 256, 256)
FRAMES, WIDTH, HEADS, LAYERS = 384, 200, 8, 7
"""Dimensions of the transformer; a window of 7.68 s has 384 frames."""


def compressed_spectrum(sound: torch.Tensor) -> torch.Tensor:
    """Spectra [batch, 2, bin, frame] (real, imaginary) of sound [batch, time], with magnitudes to the power 0.3."""
    margin = (STFT_SIZE - STFT_HOP) // 2
    padded = torch.nn.functional.pad(sound, (margin, margin), mode="reflect")
    spectrum = torch.view_as_real(
        torch.stft(padded, STFT_SIZE, STFT_HOP, window=torch.hann_window(STFT_SIZE), center=False, return_complex=True)
    )
    magnitude = spectrum.square().sum(-1, keepdim=True).sqrt().clip(1e-12)
    return (magnitude**COMPRESSION * spectrum / magnitude).permute(0, 3, 1, 2)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        last = len(CHANNELS) - 2
        for n, (before, after) in enumerate(pairwise(CHANNELS)):
            stride = (2 if n else 1, 2 if n == last else 1)
            layers += [nn.Conv2d(before, after, 3, stride=stride, padding=(0, 1)), nn.LeakyReLU(0.1)]
        self.cnn = nn.Sequential(*layers)

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """Features [batch, frame, channel x bin] of sound [batch, time]."""
        features: torch.Tensor = self.cnn(compressed_spectrum(sound)).flatten(1, 2)
        return features.transpose(1, 2)


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pe", torch.zeros(1, FRAMES, WIDTH))


class Transformer(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.position_encoding = Positions()
        self.linear_proj = nn.Linear(features, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, LAYERS)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        normed = self.norm(features.transpose(1, 2)).transpose(1, 2)
        attended: torch.Tensor = self.transformer_encoder(self.linear_proj(normed) + self.position_encoding.pe)
        return attended


class Pool(nn.Module):
    """Attention pooling: a weighted mean over frames, which a linear layer maps to one number."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, 1)
        self.linear3 = nn.Linear(WIDTH, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        weight = self.linear2(self.linear1(features).relu()).softmax(dim=1)
        pooled: torch.Tensor = self.linear3((weight * features).sum(dim=1))
        return pooled.squeeze(-1)


class Head(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm_input = nn.BatchNorm1d(features)
        self.transformer = Transformer(features)
        self.norm_trans = nn.BatchNorm1d(WIDTH)
        self.pool = Pool()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        normed = self.norm_input(features.transpose(1, 2)).transpose(1, 2)
        hidden = self.norm_trans(self.transformer(normed).transpose(1, 2)).transpose(1, 2)
        quality: torch.Tensor = self.pool(hidden).sigmoid()
        return quality


class DistillMosNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cnn = Encoder()
        bins = STFT_SIZE // 2 + 1
        for n in range(len(CHANNELS) - 1):
            bins = (bins - 3) // (2 if n else 1) + 1
        self.transformer_pool_attn = Head(CHANNELS[-1] * bins)

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """MOS [batch] of windows [batch, 122880]."""
        quality: torch.Tensor = self.transformer_pool_attn(self.cnn(sound))
        return 1 + 4 * quality
