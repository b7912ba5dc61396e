"""A literal transcription of text-to-speech (MaskGCT's recipe on SISE's blocks), one sentence at a time, not optimised.

The weights are the state dict of a `SpeechModel`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.oracles.literal_sise import LiteralDenoiser


@dataclass
class LiteralSemantic:
    state: dict[str, Tensor]
    size: int
    blocks: int
    heads: int

    def hidden(self, tokens: list[int], phones: list[int], middles: list[float] | None) -> Tensor:
        """States [frame, width] of the tokens; the token [MASK] is `size`.

        The phones are at the positions `middles`, or before the tokens where `middles` is None.
        """
        rows, positions = [], []
        for number, phone in enumerate(phones):
            embedded = self.state["phones.weight"][phone]
            wider = embedded @ self.state["widen.weight"].T + self.state["widen.bias"]
            rows.append((wider / (1 + torch.exp(-wider))) @ self.state["narrow.weight"].T + self.state["narrow.bias"])
            positions.append(float(number) if middles is None else middles[number])
        for frame, token in enumerate(tokens):
            rows.append(self.state["tokens.weight"][token])
            positions.append(float(frame + len(phones)) if middles is None else float(frame))
        transformer = PositionedBlocks(self.state, 0, self.size, self.blocks, self.heads)
        transformer.positions = positions
        x = torch.stack(rows)
        for block in range(self.blocks):
            x = transformer.block(x, f"backbone.blocks.{block}")
        return transformer.rms_norm(x, "backbone.norm")[len(phones) :]


class PositionedBlocks(LiteralDenoiser):
    """The blocks, with rotary positions that are given in place of the frame numbers."""

    positions: list[float]

    def rotate(self, x: Tensor) -> Tensor:
        half = x.shape[1] // 2
        rows = []
        for row, position in zip(x, self.positions, strict=True):
            angle = position * 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
            turned = torch.complex(row[:half], row[half:]) * torch.polar(torch.ones_like(angle), angle)
            rows.append(torch.cat([turned.real, turned.imag]).to(x.dtype))
        return torch.stack(rows)


def acoustic_hidden(denoiser: LiteralDenoiser, table: Tensor, codes: Tensor, layer: int, semantic: Tensor) -> Tensor:
    """States [frame, width] of the acoustic model: codes [layer, frame], semantic tokens [frame]."""
    condition = torch.stack([table[token] for token in semantic])
    identity = torch.eye(condition.shape[1], dtype=condition.dtype)
    state = {**denoiser.state, "heads": identity.expand(denoiser.layers, -1, -1)}
    return LiteralDenoiser(state, denoiser.layers, denoiser.size, denoiser.blocks, denoiser.heads).logits(
        codes, layer, condition
    )


def guided(conditional: Tensor, unconditional: Tensor, scale: float, rescale: float) -> Tensor:
    """MaskGCT's guidance on one sentence's states [frame, width]."""
    extrapolated = conditional + scale * (conditional - unconditional)
    ratio = deviation(conditional) / deviation(extrapolated)
    return rescale * (extrapolated * ratio) + (1 - rescale) * extrapolated


def log_frames(state: dict[str, Tensor], phones: list[int]) -> list[float]:
    """The duration model: three residual layers, each a layer norm and a convolution over five phones."""
    x = [state["phones.weight"][phone] for phone in phones]
    for layer in range(3):
        weight, bias = state[f"layers.{layer}.weight"], state[f"layers.{layer}.bias"]
        scale, shift = state[f"norms.{layer}.weight"], state[f"norms.{layer}.bias"]
        normal = [(v - v.mean()) / torch.sqrt(v.var(unbiased=False) + 1e-5) * scale + shift for v in x]
        outputs = []
        for position in range(len(x)):
            total = bias
            for tap in range(5):
                if 0 <= position + tap - 2 < len(x):
                    total = total + weight[:, :, tap] @ normal[position + tap - 2]
            outputs.append(x[position] + 0.5 * total * (1 + torch.erf(total / math.sqrt(2))))
        x = outputs
    return [float(v @ state["project.weight"][0] + state["project.bias"][0]) for v in x]


def deviation(x: Tensor) -> float:
    values = [float(value) for value in x.flatten()]
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def acoustic_input(codes: Tensor, layer: int, masked: Tensor, prompt: int, mask: int) -> Tensor:
    """Tokens of the prompt, of layers before `layer`, and of unmasked frames of `layer`; all others are [MASK]."""
    tokens = codes.clone()
    for n in range(len(codes)):
        for frame in range(codes.shape[1]):
            if (n > layer and frame >= prompt) or (n == layer and masked[frame]):
                tokens[n, frame] = mask
    return tokens
