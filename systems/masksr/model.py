"""MaskSR: the speech encoder, the masked acoustic model, and the head that learns from a teacher (MaskSR2 Fig. 1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.masksr.config import ModelConfig
from restorebench.systems.masksr.encoder import SpeechEncoder
from restorebench.systems.masksr.generator import Generator
from restorebench.systems.tokenizers.tokenizer import Codebook


class DistillationHead(nn.Module):
    """Adaptive average pooling to the teacher's frames, then a projection to its channels or classes (§II-A)."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, channels)

    def forward(self, features: Tensor, frames: int) -> Tensor:
        """Predicted targets [batch, frames, channels] from encoder features [batch, frame, width]."""
        if features.shape[1] != frames:
            features = functional.adaptive_avg_pool1d(features.transpose(1, 2), frames).transpose(1, 2)
        predicted: Tensor = self.project(features)
        return predicted


class Prediction(NamedTuple):
    logits: Tensor
    """[masked, code], ordered as `Generator.logits_at`."""
    taught: Tensor | None
    """Prediction of the teacher's targets, [batch, teacher frame, channel]."""


class MaskSr(nn.Module):
    """The trainable parts only; the tokenizer and the teacher are separate objects."""

    def __init__(self, config: ModelConfig, hop: int, quantiser: list[Codebook], taught_channels: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = SpeechEncoder(config, hop)
        self.generator = Generator(config, quantiser)
        self.distillation = DistillationHead(config.width, taught_channels) if taught_channels else None

    def forward(
        self, audio: Tensor, codes: Tensor, masked: Tensor, dropped: Tensor, taught_frames: int = 0
    ) -> Prediction:
        """One training pass.

        audio [batch, time] is degraded; codes [batch, codebook, frame] are the target's; masked (same shape, bool)
        marks the codes to predict; dropped [batch] (bool) marks the clips that get the null embedding.
        """
        features = self.encoder(audio)
        condition = torch.where(dropped[:, None, None], self.generator.null, features)
        hidden = self.generator(codes.masked_fill(masked, self.generator.mask_code), condition)
        taught = self.distillation(features, taught_frames) if self.distillation is not None else None
        return Prediction(self.generator.logits_at(hidden, masked), taught)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def without_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights that inference needs: the distillation head is discarded (§II-A)."""
    return {key: value for key, value in state.items() if not key.startswith("distillation.")}
