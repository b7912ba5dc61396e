"""A literal transcription of MaskSR2: the equations of the paper's §II and appendices, one window at a time.

The weights are the state dict of `restorebench.systems.masksr.model.MaskSr`. Every computation is written again here
from the paper's text, without optimisation. The tests compare the results of the fast code with those of this code, and
the benchmarks compare the speeds of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Literal:
    state: dict[str, Tensor]
    heads: int
    window: int
    hop: int
    encoder_blocks: int
    generator_blocks: int
    codebooks: int
    codebook_size: int

    # The speech encoder, §II-A.

    def spectrum(self, audio: Tensor) -> Tensor:
        """|STFT| ** 0.3, [frame, bin] of audio [time]; frame k is centred on samples [hop k, hop (k + 1)) (D10)."""
        frames = math.ceil(len(audio) / self.hop)
        padded = torch.cat([audio, audio.new_zeros(frames * self.hop - len(audio))])
        margin = (self.window - self.hop) // 2
        left, right = padded[1 : margin + 1].flip(0), padded[-margin - 1 : -1].flip(0)
        padded = torch.cat([left, padded, right])
        sample = torch.arange(self.window, dtype=audio.dtype)
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi * sample / self.window)
        rows = []
        for frame in range(frames):
            segment = padded[frame * self.hop : frame * self.hop + self.window]
            rows.append(torch.fft.rfft(segment * hann).abs() ** 0.3)
        return torch.stack(rows)

    def encode(self, audio: list[Tensor], training: bool = False) -> list[Tensor]:
        """Features [frame, d] per clip."""
        spectra = [self.spectrum(clip) for clip in audio]
        if training:
            together = torch.cat(spectra)
            mean, variance = together.mean(0), together.var(0, unbiased=False)
        else:
            mean, variance = self.state["encoder.norm.running_mean"], self.state["encoder.norm.running_var"]
        features = []
        for spectrum in spectra:
            x = (spectrum - mean) / torch.sqrt(variance + 1e-5)
            x = x * self.state["encoder.norm.weight"] + self.state["encoder.norm.bias"]
            x = self.linear(x, "encoder.project")
            x = x + self.positions(len(x), x.shape[1], x.dtype)
            for block in range(self.encoder_blocks):
                x = self.block(x, f"encoder.blocks.{block}")
            features.append(x)
        return features

    # The masked acoustic model, §II-B and Appendix A.

    def embed(self, codes: Tensor) -> Tensor:
        """[frame, d] of codes [codebook, frame]: the sum of the first d channels of each projected entry."""
        total = None
        for k in range(self.codebooks):
            entries = self.state["generator.embedding.tables"][k][codes[k]]
            projected = entries @ self.state["generator.embedding.weight"][k].T
            projected = projected + self.state["generator.embedding.bias"][k]
            first_channels = projected[:, : self.width]
            total = first_channels if total is None else total + first_channels
        assert total is not None
        return total

    @property
    def width(self) -> int:
        return self.state["encoder.project.weight"].shape[0]

    def logits(self, codes: Tensor, condition: Tensor) -> Tensor:
        """[codebook, frame, code] of codes [codebook, frame] and condition [frame, d]."""
        x = self.embed(codes) + condition
        x = x + self.positions(len(x), x.shape[1], x.dtype)
        for block in range(self.generator_blocks):
            x = self.block(x, f"generator.blocks.{block}")
        x = self.layer_norm(x, "generator.norm")
        rows = []
        for k in range(self.codebooks):
            part = slice(k * self.codebook_size, (k + 1) * self.codebook_size)
            weight, bias = self.state["generator.heads.weight"][part], self.state["generator.heads.bias"][part]
            rows.append(x @ weight.T + bias)
        return torch.stack(rows)

    # Pre-norm transformer blocks with sinusoidal positions, §III-B.

    def block(self, x: Tensor, name: str) -> Tensor:
        x = x + self.attention(self.layer_norm(x, f"{name}.norm_attention"), name)
        hidden = self.linear(self.layer_norm(x, f"{name}.norm_mlp"), f"{name}.widen")
        hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
        return x + self.linear(hidden, f"{name}.narrow")

    def attention(self, x: Tensor, name: str) -> Tensor:
        query, key, value = self.linear(x, f"{name}.query_key_value").chunk(3, dim=1)
        size = x.shape[1] // self.heads
        mixed = []
        for head in range(self.heads):
            part = slice(head * size, (head + 1) * size)
            score = query[:, part] @ key[:, part].T / math.sqrt(size)
            exponent = torch.exp(score - score.max(dim=1, keepdim=True).values)
            mixed.append(exponent / exponent.sum(dim=1, keepdim=True) @ value[:, part])
        return self.linear(torch.cat(mixed, dim=1), f"{name}.output")

    def layer_norm(self, x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(dim=1, keepdim=True)
        normal = centred / torch.sqrt(centred.square().mean(dim=1, keepdim=True) + 1e-5)
        return normal * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def positions(self, frames: int, width: int, dtype: torch.dtype) -> Tensor:
        table = torch.zeros(frames, width, dtype=torch.float64)
        for channel in range(0, width, 2):
            angle = torch.arange(frames, dtype=torch.float64) / 10_000 ** (channel / width)
            table[:, channel], table[:, channel + 1] = torch.sin(angle), torch.cos(angle)
        return table.to(dtype)

    # One iteration of decoding, §II-B and Appendix B.

    def sampling_step(
        self, codes: Tensor, audio: Tensor, uniforms: Tensor, normals: Tensor, iteration: int, iterations: int,
        w: float, span: int = 1,
    ) -> Tensor:  # fmt: skip
        """Codes [codebook, frame] after iteration 0, 1, ..., from the codes before that iteration."""
        [condition] = self.encode([audio])
        conditional = self.logits(codes, condition)
        null = self.state["generator.null"].expand_as(condition)
        unconditional = self.logits(codes, null)
        guided = (1 + w) * conditional - w * unconditional
        frames = codes.shape[1]
        filled = codes.clone()
        scores: dict[tuple[int, int], float] = {}
        for k in range(self.codebooks):
            for t in range(frames):
                if codes[k, t] != self.codebook_size:
                    continue
                log_probability = torch.log_softmax(guided[k, t], dim=0)
                cumulative = torch.cumsum(log_probability.exp(), dim=0)
                chosen = int((cumulative <= uniforms[k, t] * cumulative[-1]).sum())
                filled[k, t] = min(chosen, self.codebook_size - 1)
                scores[k, t] = float(log_probability[filled[k, t]])
        variance = 4 * (1 - iteration / (iterations - 1))
        spans: dict[tuple[int, int], float] = {}
        for (k, t), score in scores.items():
            spans[k, t // span] = max(score, spans.get((k, t // span), -math.inf))
        ranked = sorted((score + math.sqrt(variance) * float(normals[key]), key) for key, score in spans.items())
        total = self.codebooks * frames
        masked_count = math.floor(total * math.cos(math.pi * (iteration + 1) / (2 * iterations)))
        covered = 0
        for _, (k, s) in ranked:
            covered += min(span, frames - s * span)
            if covered > masked_count:
                break
            filled[k, s * span : (s + 1) * span] = self.codebook_size
        return filled

    # One training step, §II.

    def training_loss(
        self, audio: list[Tensor], codes: Tensor, masked: Tensor, dropped: list[bool], teacher: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(cross-entropy, distillation loss) for codes and mask [clip, codebook, frame] and raw teacher features.

        The teacher features are [clip, frame, channel].
        """
        features = self.encode(audio, training=True)
        terms, distillation_terms = [], []
        for clip, encoded in enumerate(features):
            condition = self.state["generator.null"].expand_as(encoded) if dropped[clip] else encoded
            masked_codes = torch.where(masked[clip], torch.tensor(self.codebook_size), codes[clip])
            logits = self.logits(masked_codes, condition)
            for k in range(self.codebooks):
                for t in range(codes.shape[2]):
                    if masked[clip, k, t]:
                        terms.append(-torch.log_softmax(logits[k, t], dim=0)[codes[clip, k, t]])
            target = teacher[clip]
            target = (target - target.mean(0)) / torch.sqrt(target.var(0, unbiased=False) + 1e-5)
            pooled = self.pool(encoded, len(target))
            distillation_terms.append(((self.linear(pooled, "distillation.project") - target) ** 2).mean())
        return torch.stack(terms).mean(), torch.stack(distillation_terms).mean()

    def pool(self, x: Tensor, frames: int) -> Tensor:
        """Adaptive average pooling: output i averages inputs floor(i n / m) to ceil((i + 1) n / m)."""
        rows = []
        for i in range(frames):
            rows.append(x[math.floor(i * len(x) / frames) : math.ceil((i + 1) * len(x) / frames)].mean(0))
        return torch.stack(rows)
