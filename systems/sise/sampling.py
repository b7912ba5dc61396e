"""Reverse diffusion, layer by layer (SISE §2.2, §3; decisions D31, D32, D41).

Within a layer, tokens that are no longer masked are kept; finished layers are conditions of the next layer. The
semantic stage is conditioned on the degraded speech alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from restorebench.systems.sise.config import SamplingConfig
from restorebench.systems.sise.diffusion import Denoiser, Sise

Logits = Callable[[Tensor], Tensor]
"""From a layer's tokens [batch, frame] to logits [batch, frame, code]."""


def masked_counts(frames: int, steps: int) -> list[int]:
    """Tokens still masked after step 1, 2, ...: floor(L sin(pi / 2 (1 - n / S))), and none after the last."""
    counts = [math.floor(frames * math.sin(0.5 * math.pi * (1 - step / steps))) for step in range(1, steps)]
    return [*counts, 0]


@torch.inference_mode()
def sample(model: Sise, degraded: Tensor, rngs: Sequence[np.random.Generator], config: SamplingConfig) -> Tensor:
    """Codes [batch, layer, frame] for degraded audio [batch, time], one random generator per clip."""
    encoded = model.encode(degraded)
    steps = config.steps(model.codec_config.layers)
    if model.acoustic is None:
        return sample_layers(model.first, encoded, steps, rngs, config)
    semantic = sample_layers(model.first, encoded, steps[:1], rngs, config)
    condition = model.acoustic_condition(encoded, semantic[:, 0])
    acoustic = sample_layers(model.acoustic, condition, steps[1:], rngs, config)
    return torch.cat([semantic, acoustic], dim=1)


def sample_layers(
    denoiser: Denoiser,
    condition: Tensor,
    steps: Sequence[int],
    rngs: Sequence[np.random.Generator],
    config: SamplingConfig,
) -> Tensor:
    """Codes [batch, layer, frame] of all layers of one denoiser; condition [batch, frame, channel]."""
    batch, frames, _ = condition.shape
    codes = torch.full((batch, denoiser.layers, frames), denoiser.mask_code, device=condition.device)
    for number, count in enumerate(steps):
        layer = torch.full((batch,), number, device=codes.device)
        for step, keep_masked in enumerate(masked_counts(frames, count)):
            logits = denoiser(codes, layer, condition)
            draws = draw(rngs, frames, denoiser.codebook_size, config, codes.device)
            codes[:, number] = reverse_step(
                logits, codes[:, number], draws, step, count, keep_masked, config, denoiser.mask_code
            )
    return codes


def draw(
    rngs: Sequence[np.random.Generator], frames: int, size: int, config: SamplingConfig, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Gumbel noise for the choice among the top k, [batch, frame, k], and for the confidences, [batch, frame]."""
    top_k = min(config.top_k, size)
    choice = np.stack([rng.gumbel(size=(frames, top_k)) for rng in rngs]).astype(np.float32)
    confidence = np.stack([rng.gumbel(size=frames) for rng in rngs]).astype(np.float32)
    return torch.from_numpy(choice).to(device), torch.from_numpy(confidence).to(device)


def reverse_step(
    logits: Tensor,
    tokens: Tensor,
    draws: tuple[Tensor, Tensor],
    step: int,
    steps: int,
    keep_masked: int,
    config: SamplingConfig,
    mask_code: int,
) -> Tensor:
    """Tokens [batch, frame] after step 0, 1, ...: masked tokens are drawn, and the least confident are masked again.

    A token is drawn from the top k at temperature `config.temperature` (1 - n / S), n = `step`, S = `steps`; the last
    step takes the best token, except that a single step with `one_step` = "gumbel" draws at 0.2. A token's confidence
    is its probability, untempered, among the top k or all tokens (D41), plus (1 - n / S) times Gumbel noise.
    """
    masked = tokens == mask_code
    best = logits.topk(draws[0].shape[-1], dim=-1)
    share = 1 - step / steps
    greedy = step == steps - 1 and (steps > 1 or config.one_step == "greedy")
    temperature = 0.0 if greedy else config.temperature * share if steps > 1 else 0.2
    choice = best.values if temperature == 0 else best.values / temperature + draws[0]
    chosen = choice.argmax(-1, keepdim=True)
    if config.confidence == "top-k":
        probability = best.values.softmax(-1).gather(-1, chosen)[..., 0]
    else:
        probability = logits.softmax(-1).gather(-1, best.indices.gather(-1, chosen))[..., 0]
    drawn = torch.where(masked, best.indices.gather(-1, chosen)[..., 0], tokens)
    if keep_masked == 0:
        return drawn
    confidence = (probability + share * draws[1]).masked_fill(~masked, math.inf)
    masked_again = confidence.argsort(dim=1, stable=True)[:, :keep_masked]
    return drawn.scatter(1, masked_again, mask_code)
