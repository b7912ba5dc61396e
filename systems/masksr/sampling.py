"""Iterative decoding: from all [MASK] to a full codegram (MaskSR2 §II-B, Appendix B, decisions D1-D3).

In each iteration every masked code is sampled, and the ones with the lowest scores are masked again. The draws of a
window come from its own random generator, so neither the batch nor the order of windows changes what is sampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from restorebench.systems.masksr.config import SamplingConfig
from restorebench.systems.masksr.generator import Generator
from restorebench.systems.masksr.masking import masked_counts, span_index
from restorebench.systems.tokenizers.tokenizer import Codebook


class Draws(NamedTuple):
    """The random numbers of one iteration."""

    uniforms: Tensor
    """[batch, codebook, frame] in [0, 1): which code is sampled"""
    normals: Tensor
    """[batch, codebook, span] of variance 1: the noise on the scores"""


def draw(rngs: Sequence[np.random.Generator], codebooks: int, frames: int, spans: int, device: torch.device) -> Draws:
    """Draws with one random generator per window; the number of draws does not depend on the masks."""
    uniforms = np.stack([rng.random((codebooks, frames), dtype=np.float32) for rng in rngs])
    normals = np.stack([rng.standard_normal((codebooks, spans), dtype=np.float32) for rng in rngs])
    return Draws(torch.from_numpy(uniforms).to(device), torch.from_numpy(normals).to(device))


def noise_std(iteration: int, config: SamplingConfig) -> float:
    """Standard deviation of the noise on scores in iteration 0, 1, ...: the variance falls linearly to 0 (D2)."""
    total = config.iterations
    if config.anneal == "to-zero":
        share = 1 - iteration / (total - 1) if total > 1 else 0.0
    else:
        share = 1 - (iteration + 1) / total
    return math.sqrt(config.variance * share)


@torch.inference_mode()
def sample(
    generator: Generator, features: Tensor, rngs: Sequence[np.random.Generator], config: SamplingConfig, span: int = 1
) -> Tensor:
    """Codes [batch, codebook, frame] for encoder features [batch, frame, width], one random generator per window."""
    batch, frames, _ = features.shape
    codes = torch.full(
        (batch, generator.codebooks, frames), generator.mask_code, dtype=torch.long, device=features.device
    )
    vectors = generator.embedding.code_vectors()
    spans = int(span_index(frames, span)[-1]) + 1
    remaining = masked_counts(generator.codebooks * frames, config.iterations)
    for iteration, keep_masked in enumerate(remaining):
        hidden = guided_hidden(generator, codes, features, config.guidance, vectors)
        draws = draw(rngs, generator.codebooks, frames, spans, features.device)
        codes = step(generator, hidden, codes, draws, keep_masked, noise_std(iteration, config), config, span)
    return codes


@torch.inference_mode()
def expected(generator: Generator, features: Tensor, quantiser: list[Codebook], guidance: float) -> Tensor:
    """Mean latents [batch, width, frame] for features [batch, frame, width]: one pass over [MASK] everywhere.

    The vectors of each codebook are averaged with the model's probabilities as weights. This method is ours, not the
    paper's: no samples are drawn, so one pass suffices and the output is deterministic.
    """
    batch, frames, _ = features.shape
    codes = torch.full((batch, generator.codebooks, frames), generator.mask_code, device=features.device)
    probability = generator.logits(guided_hidden(generator, codes, features, guidance)).float().softmax(-1)
    total = torch.zeros((), device=features.device)
    for k, stage in enumerate(quantiser):
        total = total + (probability[:, k] @ stage.vectors) @ stage.weight.T + stage.bias
    return total.transpose(1, 2)


def guided_hidden(
    generator: Generator, codes: Tensor, features: Tensor, guidance: float, vectors: Tensor | None = None
) -> Tensor:
    """Hidden states whose logits are (1 + w) conditional - w unconditional (§II-B, footnote 3).

    The heads are linear, so guidance on their input equals guidance on their output, and each head runs only once.
    """
    if guidance == 0:
        plain: Tensor = generator(codes, features, vectors)
        return plain
    null = generator.null.expand_as(features)
    hidden: Tensor = generator(codes.repeat(2, 1, 1), torch.cat([features, null]), vectors)
    conditional, unconditional = hidden.chunk(2)
    return torch.lerp(unconditional, conditional, 1 + guidance)


def step(
    generator: Generator,
    hidden: Tensor,
    codes: Tensor,
    draws: Draws,
    keep_masked: int,
    noise: float,
    config: SamplingConfig,
    span: int = 1,
) -> Tensor:
    """One iteration: samples every masked code, then masks the codes with the lowest scores again."""
    masked_by_codebook = (codes == generator.mask_code).transpose(0, 1)
    logits = generator.logits_at(hidden, masked_by_codebook.transpose(0, 1))
    sampled, score = sample_codes(logits, draws.uniforms.transpose(0, 1)[masked_by_codebook], config)
    filled = codes.transpose(0, 1).masked_scatter(masked_by_codebook, sampled).transpose(0, 1)
    scores = torch.full_like(draws.uniforms, math.inf).transpose(0, 1).masked_scatter(masked_by_codebook, score)
    masked_again = lowest_spans(scores.transpose(0, 1), noise * draws.normals, keep_masked, span)
    return filled.masked_fill(masked_again, generator.mask_code)


def sample_codes(logits: Tensor, uniforms: Tensor, config: SamplingConfig) -> tuple[Tensor, Tensor]:
    """Codes [n] drawn from logits [n, code] by inverting the distribution at uniforms [n], and their scores [n]."""
    best = logits.max(-1, keepdim=True)
    unnormalised = (logits - best.values).exp_()
    total = unnormalised.sum(-1, keepdim=True)
    if config.temperature == 0:
        codes = best.indices
    else:
        weight = unnormalised if config.temperature == 1 else ((logits - best.values) / config.temperature).exp_()
        if config.top_k:
            threshold = weight.topk(min(config.top_k, weight.shape[-1])).values[:, -1:]
            weight = weight.masked_fill(weight < threshold, 0)
        cumulative = weight.cumsum(-1)
        codes = torch.searchsorted(cumulative, uniforms[:, None] * cumulative[:, -1:], right=True)
        codes.clamp_(max=logits.shape[-1] - 1)
    score = logits.gather(-1, codes)
    if config.score == "log-probability":
        score = score - best.values - total.log()
    return codes[:, 0], score[:, 0]


def lowest_spans(scores: Tensor, noise: Tensor, count: int, span: int) -> Tensor:
    """The codes to mask again, [batch, codebook, frame] bool: the lowest-ranked spans, with at most `count` codes.

    A span's score is its highest code score, plus noise [batch, codebook, span]; known codes have infinite scores. With
    spans of one frame exactly `count` codes are chosen (Appendix B).
    """
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    batch, codebooks, frames = scores.shape
    padding = noise.shape[2] * span - frames
    lengths = torch.full((noise.shape[2],), span, device=scores.device)
    lengths[-1] -= padding
    padded = torch.nn.functional.pad(scores, (0, padding), value=-math.inf)
    best = padded.view(batch, codebooks, -1, span).amax(-1) + noise
    order = best.flatten(1).argsort(dim=1, stable=True)
    covered = lengths.repeat(codebooks)[order].cumsum(1)
    chosen = torch.zeros_like(order, dtype=torch.bool).scatter_(1, order, covered <= count)
    per_frame = chosen.view(batch, codebooks, -1, 1).expand(-1, -1, -1, span)
    return per_frame.reshape(batch, codebooks, -1)[..., :frames]
