"""Sampling of both stages, with classifier-free guidance on hidden states (MaskGCT §3.2.2; decision D44)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from restorebench.systems.sise.config import SamplingConfig
from restorebench.systems.sise.sampling import draw, masked_counts, reverse_step
from restorebench.systems.tts.config import TtsSampling
from restorebench.systems.tts.model import NO_PHONE, SemanticToAcoustic, SpeechModel, TextToSemantic

Logits = Callable[[Tensor], Tensor]
"""From the tokens of a sentence [1, frame] to their logits [1, frame, code]."""


def guided(conditional: Tensor, unconditional: Tensor, config: TtsSampling) -> Tensor:
    """Hidden states moved away from the unconditional states, then partly rescaled to the conditional states' standard
    deviation."""
    moved = conditional + config.guidance * (conditional - unconditional)
    rescaled = moved * (conditional.std() / moved.std())
    return config.rescale * rescaled + (1 - config.rescale) * moved


@torch.inference_mode()
def say(
    model: SpeechModel, prompt: Tensor, phones: Sequence[int], places: Sequence[float] | None, frames: int,
    rng: np.random.Generator, config: TtsSampling,
) -> Tensor:  # fmt: skip
    """Codes [layer, frame] of a sentence.

    prompt: the prompt's codes [layer, frame]; phones: those of the prompt, then those of the sentence; places: their
    middles in frames from the start of the prompt, for a model with durations; frames: length of the sentence.
    """
    semantic = say_semantic(model.semantic, prompt[0], phones, places, frames, rng, config)
    acoustic = say_acoustic(model.acoustic, prompt, semantic, rng, config)
    return torch.cat([semantic[None], acoustic])


def say_semantic(
    model: TextToSemantic, prompt: Tensor, phones: Sequence[int], places: Sequence[float] | None, frames: int,
    rng: np.random.Generator, config: TtsSampling,
) -> Tensor:  # fmt: skip
    """Semantic tokens [frame] of a sentence. prompt [frame]: the prompt's semantic tokens.

    The unconditional branch has neither prompt nor phones.
    """
    phone_row = torch.tensor([[*phones]], device=prompt.device)
    place_row = None if places is None else torch.tensor([[*places]], device=prompt.device)
    no_phones = torch.full_like(phone_row[:, :1], NO_PHONE)
    no_places = None if place_row is None else torch.zeros_like(place_row[:, :1])

    def logits(tokens: Tensor) -> Tensor:
        states = model.hidden(torch.cat([prompt[None], tokens], dim=1), phone_row, place_row)[:, len(prompt) :]
        if config.guidance:
            states = guided(states, model.hidden(tokens, no_phones, no_places), config)
        predicted: Tensor = model.head(states)
        return predicted

    masked = torch.full((1, frames), model.mask_code, device=prompt.device)
    return unmask(logits, masked, config.semantic_steps, config.semantic(model.codebook_size), model.mask_code, rng)[0]


def say_acoustic(
    model: SemanticToAcoustic, prompt: Tensor, semantic: Tensor, rng: np.random.Generator, config: TtsSampling
) -> Tensor:
    """Acoustic tokens [layer, frame] of a sentence whose semantic tokens [frame] are known.

    prompt: all codes of the prompt, [1 + layer, frame]. The unconditional branch has no prompt.
    """
    denoiser = model.denoiser
    codes = torch.full((1, denoiser.layers, len(semantic)), model.mask_code, device=prompt.device)
    settings = config.acoustic(denoiser.codebook_size)
    for number, steps in enumerate(config.acoustic_steps):
        logits = partial(_acoustic_logits, model, prompt, semantic, codes.clone(), number, config)
        codes[:, number] = unmask(logits, codes[:, number], steps, settings, model.mask_code, rng)
    return codes[0]


def _acoustic_logits(
    model: SemanticToAcoustic, prompt: Tensor, semantic: Tensor, codes: Tensor, number: int, config: TtsSampling,
    tokens: Tensor,
) -> Tensor:  # fmt: skip
    """Logits [1, frame, code] of layer `number` of codes [1, layer, frame]; `tokens` [1, frame] replace this layer."""
    layer = torch.tensor([number], device=codes.device)
    codes[:, number] = tokens
    all_codes = torch.cat([prompt[None, 1:], codes], dim=2)
    states = model.hidden(all_codes, layer, torch.cat([prompt[0], semantic])[None])[:, prompt.shape[1] :]
    if config.guidance:
        states = guided(states, model.hidden(codes, layer, semantic[None]), config)
    return model.denoiser.logits(states, layer)


def unmask(
    logits: Logits, tokens: Tensor, steps: int, settings: SamplingConfig, mask_code: int, rng: np.random.Generator
) -> Tensor:
    """Tokens [1, frame] of one layer after its reverse steps."""
    frames = tokens.shape[1]
    for step, keep_masked in enumerate(masked_counts(frames, steps)):
        predicted = logits(tokens)
        draws = draw([rng], frames, predicted.shape[-1], settings, tokens.device)
        tokens = reverse_step(predicted, tokens, draws, step, steps, keep_masked, settings, mask_code)
    return tokens
