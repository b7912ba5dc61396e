"""Losses and rates over labelled places alone."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from restorebench.systems.sise.phonemes import IGNORED


def masked_cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean over what has a label; 0 where nothing has. logits [batch, class, frame], wanted [batch, frame]."""
    total = functional.cross_entropy(logits.float(), wanted, ignore_index=IGNORED, reduction="sum")
    return total / (wanted != IGNORED).sum().clamp(min=1)


def accuracy(logits: Tensor, wanted: Tensor) -> Tensor:
    """Share of labelled places that are right."""
    labelled = wanted != IGNORED
    return ((logits.argmax(1) == wanted) & labelled).sum() / labelled.sum().clamp(min=1)
