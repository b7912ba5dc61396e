"""Shapes of SISE's codec and diffusion, and how it samples. Defaults are the paper's (§2, §3; decisions D23-D32)."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from restorebench.benchmark.errors import RequestError
from restorebench.systems.tokenizers.config import FrameShape


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CodecConfig(_Table):
    rate: int = Field(default=16_000, ge=1)
    encoder_dim: int = Field(default=64, ge=1)
    encoder_rates: tuple[int, ...] = (2, 4, 5, 5)
    """D23: the paper's text says 200 and its strides 80; (2, 4, 5, 5) gives 200, (2, 2, 4, 5) is the other reading."""
    decoder_dim: int = Field(default=1536, ge=1)
    decoder_rates: tuple[int, ...] = (5, 5, 4, 2)
    semantic: bool = True
    """False: SISE-w/o-dis, one residual quantiser of semantic + acoustic stages and no phoneme predictor."""
    acoustic: int = Field(default=5, ge=1)
    """Acoustic quantiser stages; without a semantic one, there is one more of these for the same bit rate."""
    codebook_size: int = Field(default=1024, ge=2)
    codebook_dim: int = Field(default=8, ge=1)
    residual: bool = True
    """D24: the acoustic quantiser sees what the semantic one left, h - Z_s; False: h."""
    dropout: float = Field(default=0.5, ge=0, le=1)
    """Share of training clips that keep only the first few acoustic stages (DAC's quantiser dropout)."""
    frames: FrameShape | None = None
    """Encoder and decoder on STFT frames instead of DAC's: the nano sizes, which a CPU must be able to run. Then
    `encoder_dim`, `decoder_dim` and the strides say nothing."""

    @model_validator(mode="after")
    def _same_hop(self) -> CodecConfig:
        if math.prod(self.encoder_rates) != math.prod(self.decoder_rates):
            raise ValueError(
                f"encoder_rates make a hop of {math.prod(self.encoder_rates)}, decoder_rates one of "
                f"{math.prod(self.decoder_rates)}; they must agree"
            )
        return self

    @property
    def hop(self) -> int:
        return self.frames.hop if self.frames else int(math.prod(self.encoder_rates))

    @property
    def width(self) -> int:
        """Channels between encoder and decoder; DAC's double with each stride."""
        return self.frames.width if self.frames else int(self.encoder_dim * 2 ** len(self.encoder_rates))

    @property
    def layers(self) -> int:
        """Token layers in all: the semantic one first, then the acoustic ones; 6 either way."""
        return self.acoustic + 1


class DiffusionConfig(_Table):
    width: int = Field(default=1024, ge=1)
    heads: int = Field(default=8, ge=1)
    blocks: int = Field(default=8, ge=1)
    feed_forward: int = Field(default=4096, ge=1)
    """D29: 4096 as in MaskGCT; 2816 is Llama's ratio."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    encoder_dim: int = Field(default=64, ge=1)
    """Of the noisy encoder, whose structure is the codec encoder's; with a codec on frames, its width."""
    table_dim: int = Field(default=0, ge=0)
    """Channels of the tokens' tables before a projection, as in the quantiser; 0: full tables."""
    seconds: float = Field(default=4.0, gt=0)
    """Length of a training crop and of an inference window."""

    @model_validator(mode="after")
    def _even_heads(self) -> DiffusionConfig:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is not a multiple of 2 x {self.heads} heads")
        return self


class ObjectiveConfig(_Table):
    average: Literal["clip", "sum"] = "clip"
    """D42: equation 2 as a mean over a clip's masked tokens, or as the sum that is written, over the clip's length. The
    sum gives a clip with more masked tokens more weight."""


class SamplingConfig(_Table):
    semantic_steps: int = Field(default=15, ge=1)
    acoustic_steps: tuple[int, ...] = (10, 1, 1, 1, 1)
    """Without disentanglement the first of these follows `semantic_steps` for the first layer, as one list."""
    top_k: int = Field(default=20, ge=1)
    temperature: float = Field(default=1.5, ge=0)
    """At the first step; it falls to 0."""
    one_step: Literal["greedy", "gumbel"] = "greedy"
    """D32: layers of one step take the best token; MaskGCT draws at temperature 0.2."""
    confidence: Literal["top-k", "all"] = "top-k"
    """D41: a drawn token's probability among the top k, or among all tokens."""

    def steps(self, layers: int) -> tuple[int, ...]:
        """Steps of every token layer. Raises RequestError when their number is another."""
        steps = (self.semantic_steps, *self.acoustic_steps)
        if len(steps) != layers:
            raise RequestError(f"sampling names steps for {len(steps)} token layers, the codec has {layers}")
        return steps
