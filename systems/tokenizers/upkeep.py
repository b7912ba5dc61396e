"""Codebook maintenance during training: usage counts and revival of dead codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from restorebench.benchmark.core.seeds import integer
from restorebench.systems.tokenizers.quantizer import ResidualQuantizer
from restorebench.systems.training.distributed import take_from_first

REVIVE_EVERY = 10
"""Number of steps from one revival of dead codes to the next."""


@torch.no_grad()
def keep_alive(
    fabric: Any, quantizer: ResidualQuantizer, codes: Sequence[Tensor], latents: Sequence[Tensor], seed: int, step: int
) -> int:
    """Counts the codes of a step and, at every tenth step, moves dead codes onto latents. Returns how many were moved.

    codes [batch, stage, frame] per micro-batch; latents [batch, dim, frame] per stage, of the first micro-batch.
    """
    quantizer.track(fabric.all_gather(torch.cat(list(codes))).flatten(0, -3))
    if (step + 1) % REVIVE_EVERY:
        return 0
    moved = quantizer.revive(latents, torch.Generator().manual_seed(integer("revive", seed, step)))
    take_from_first(quantizer.codebook_state())
    return moved
