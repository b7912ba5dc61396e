"""Cross-entropy and accuracy over labelled positions only."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from restorebench.systems.sise.phonemes import IGNORED


def masked_cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean over labelled positions; 0 if there are none. logits [batch, class, frame], wanted [batch, frame]."""
    total = functional.cross_entropy(logits.float(), wanted, ignore_index=IGNORED, reduction="sum")
    return total / (wanted != IGNORED).sum().clamp(min=1)


def accuracy(logits: Tensor, wanted: Tensor) -> Tensor:
    """Share of labelled positions that are classified correctly."""
    labelled = wanted != IGNORED
    return ((logits.argmax(1) == wanted) & labelled).sum() / labelled.sum().clamp(min=1)
