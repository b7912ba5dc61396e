"""Settings of SISE's codec, diffusion, loss and sampling. Defaults are the paper's (§2, §3; D23-D32, D41, D42)."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from restorebench.benchmark.errors import RequestError
from restorebench.systems.tokenizers.config import FrameShape


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CodecConfig(_Table):
    rate: int = Field(default=16_000, ge=1)
    encoder_dim: int = Field(default=64, ge=1)
    encoder_rates: tuple[int, ...] = (2, 4, 5, 5)
    """D23: the paper's text gives a hop of 200, but its strides (2, 2, 4, 5) give 80; (2, 4, 5, 5) follows the text."""
    decoder_dim: int = Field(default=1536, ge=1)
    decoder_rates: tuple[int, ...] = (5, 5, 4, 2)
    semantic: bool = True
    """False: SISE-w/o-dis, one residual quantiser of semantic + acoustic stages and no phoneme predictor."""
    acoustic: int = Field(default=5, ge=1)
    """Number of acoustic stages; without a semantic stage there is one more, so that the bit rate is the same."""
    codebook_size: int = Field(default=1024, ge=2)
    codebook_dim: int = Field(default=8, ge=1)
    residual: bool = True
    """D24: the acoustic quantiser's input is the residual h - Z_s; False: h."""
    dropout: float = Field(default=0.5, ge=0, le=1)
    """Share of training clips that keep only the first few acoustic stages (DAC's quantiser dropout)."""
    frames: FrameShape | None = None
    """Encoder and decoder on STFT frames instead of DAC's, for the nano sizes, which run on a CPU. `encoder_dim`,
    `decoder_dim` and the strides are then unused."""

    @model_validator(mode="after")
    def _same_hop(self) -> CodecConfig:
        if math.prod(self.encoder_rates) != math.prod(self.decoder_rates):
            raise ValueError(
                f"encoder_rates give a hop of {math.prod(self.encoder_rates)}, decoder_rates a hop of "
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
        """Number of token layers, the same with and without a semantic one: 6 by default."""
        return self.acoustic + 1


class TransformerConfig(_Table):
    """Sizes of a transformer over token layers."""

    width: int = Field(default=1024, ge=1)
    heads: int = Field(default=8, ge=1)
    blocks: int = Field(default=8, ge=1)
    feed_forward: int = Field(default=4096, ge=1)
    """D29: 4096 as in MaskGCT; 2816 is Llama's ratio."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    table_dim: int = Field(default=0, ge=0)
    """Channels of the token embeddings before a projection to `width`; 0: embeddings of `width` channels."""

    @model_validator(mode="after")
    def _even_heads(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is not a multiple of 2 x {self.heads} heads")
        return self


class DiffusionConfig(TransformerConfig):
    encoder_dim: int = Field(default=64, ge=1)
    """Channels of the noisy encoder's first layer, as in the codec's encoder; with a codec on frames, of all layers."""
    seconds: float = Field(default=4.0, gt=0)
    """Length of a training crop and of an inference window."""


class ObjectiveConfig(_Table):
    average: Literal["clip", "sum"] = "clip"
    """D42: equation 2 as a mean over a clip's masked tokens, or as the paper's sum over them, divided by the clip's
    frames. The sum gives a clip with more masked tokens more weight."""


class SamplingConfig(_Table):
    semantic_steps: int = Field(default=15, ge=1)
    acoustic_steps: tuple[int, ...] = (10, 1, 1, 1, 1)
    """Per acoustic layer; without disentanglement, `semantic_steps` are for layer 1 and these for the others."""
    top_k: int = Field(default=20, ge=1)
    temperature: float = Field(default=1.5, ge=0)
    """Temperature at the first step; it falls linearly to 0."""
    one_step: Literal["greedy", "gumbel"] = "greedy"
    """D32: layers of one step take the best token ("greedy"), or draw at temperature 0.2 like MaskGCT."""
    confidence: Literal["top-k", "all"] = "top-k"
    """D41: the confidence of a drawn token is its probability among the top k, or among all tokens."""

    def steps(self, layers: int) -> tuple[int, ...]:
        """Sampling steps of each token layer. Raises RequestError when settings are for another number of layers."""
        steps = (self.semantic_steps, *self.acoustic_steps)
        if len(steps) != layers:
            raise RequestError(f"sampling names steps for {len(steps)} token layers, the codec has {layers}")
        return steps
