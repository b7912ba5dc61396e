"""A literal transcription of SISE's diffusion (§2.2, §3), one clip at a time and without optimisation.

The weights are the state dict of a `Denoiser`. The noisy encoder is not transcribed, since it is DAC's own code; its
output is an argument.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class LiteralDenoiser:
    state: dict[str, Tensor]
    layers: int
    size: int
    blocks: int
    heads: int

    def logits(self, tokens: Tensor, layer: int, condition: Tensor) -> Tensor:
        """[frame, code] of one layer, from tokens [layer, frame] with [MASK] = size, and condition [frame, channel]."""
        rows = []
        for frame in range(tokens.shape[1]):
            x = condition[frame] @ self.state["condition.weight"].T + self.state["condition.bias"]
            for k in range(self.layers):
                x = x + self.state["tables.full"][k, tokens[k, frame]]
            rows.append(x + self.state["layer.weight"][layer])
        x = torch.stack(rows)
        for block in range(self.blocks):
            x = self.block(x, f"backbone.blocks.{block}")
        return self.rms_norm(x, "backbone.norm") @ self.state["heads"][layer].T

    def block(self, x: Tensor, name: str) -> Tensor:
        normal = self.rms_norm(x, f"{name}.norm_attention")
        query, key, value = (normal @ self.state[f"{name}.query_key_value.weight"].T).chunk(3, dim=1)
        size = x.shape[1] // self.heads
        mixed = []
        for head in range(self.heads):
            part = slice(head * size, (head + 1) * size)
            q, k = self.rotate(query[:, part]), self.rotate(key[:, part])
            attention = torch.softmax(q @ k.T / math.sqrt(size), dim=1)
            mixed.append(attention @ value[:, part])
        x = x + torch.cat(mixed, dim=1) @ self.state[f"{name}.output.weight"].T
        gate, up = (self.rms_norm(x, f"{name}.norm_feed_forward") @ self.state[f"{name}.gate_up.weight"].T).chunk(2, 1)
        return x + (gate / (1 + torch.exp(-gate)) * up) @ self.state[f"{name}.down.weight"].T

    def rotate(self, x: Tensor) -> Tensor:
        """Channel pairs (i, i + half) as complex numbers, turned by frame * 10000 ** (-2 i / channels)."""
        half = x.shape[1] // 2
        rows = []
        for frame in range(len(x)):
            angle = frame * 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
            turned = torch.complex(x[frame, :half], x[frame, half:]) * torch.polar(torch.ones_like(angle), angle)
            rows.append(torch.cat([turned.real, turned.imag]).to(x.dtype))
        return torch.stack(rows)

    def rms_norm(self, x: Tensor, name: str) -> Tensor:
        return x / torch.sqrt(x.square().mean(dim=1, keepdim=True) + 1e-6) * self.state[f"{name}.weight"]


def masked_input(codes: Tensor, layer: int, masked: Tensor, mask: int) -> Tensor:
    """Codes [layer, frame] with [MASK] in the masked frames of `layer` and in all frames of the later layers."""
    tokens = codes.clone()
    for n in range(len(codes)):
        for frame in range(codes.shape[1]):
            if n > layer or (n == layer and masked[frame]):
                tokens[n, frame] = mask
    return tokens


def target_loss(logits: Tensor, wanted: Tensor, masked: Tensor, average: str = "clip") -> Tensor:
    """Equation 2 for one clip: the mean over its masked tokens, or their sum divided by the clip's length."""
    terms = [-torch.log_softmax(logits[t], dim=0)[wanted[t]] for t in range(len(wanted)) if masked[t]]
    return torch.stack(terms).mean() if average == "clip" else torch.stack(terms).sum() / len(wanted)


def reverse_step(
    logits: Tensor, tokens: Tensor, choice: Tensor, confidence: Tensor, step: int, steps: int, mask: int, top_k: int,
    temperature: float, among_all: bool = False,
) -> Tensor:  # fmt: skip
    """Tokens [frame] after step 0, 1, ...; choice [frame, k] and confidence [frame] are Gumbel draws."""
    frames, share = len(tokens), 1 - step / steps
    updated, scores = tokens.clone(), {}
    for t in range(frames):
        if tokens[t] != mask:
            continue
        ranked = sorted(range(logits.shape[1]), key=lambda code: -float(logits[t, code]))[:top_k]
        values = [float(logits[t, code]) for code in ranked]
        if step == steps - 1:
            best = 0
        else:
            perturbed = [value / (temperature * share) + float(choice[t, i]) for i, value in enumerate(values)]
            best = perturbed.index(max(perturbed))
        in_softmax = [float(value) for value in logits[t]] if among_all else values
        total = sum(math.exp(value - values[0]) for value in in_softmax)
        updated[t] = ranked[best]
        scores[t] = math.exp(values[best] - values[0]) / total + share * float(confidence[t])
    masked_count = math.floor(frames * math.sin(0.5 * math.pi * (1 - (step + 1) / steps))) if step < steps - 1 else 0
    for t in sorted(scores, key=lambda frame: scores[frame])[:masked_count]:
        updated[t] = mask
    return updated
