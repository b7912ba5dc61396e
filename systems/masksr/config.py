"""Model and sampling settings of MaskSR. The defaults are MaskSR2-S of the paper (§II, §III-B)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Distillation = Literal[
    "none",
    "stft-44.1k",
    "stft-16k",
    "l9-k500",
    "l9-feature",
    "avg-feature",
    "whisper-base-encoder",
    "whisper-base-k500",
]
"""Teachers whose targets the speech encoder learns to predict (§II-A); the two Whisper teachers are not the paper's."""


class ModelConfig(BaseModel):
    """The settings that define a variant: two checkpoints are of the same variant if all these settings are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width: int = 512
    """d in the paper."""
    heads: int = 16
    mlp: int = 4
    """The MLP's hidden width is mlp * d."""
    encoder_blocks: int = 6
    generator_blocks: int = 8
    dropout: float = Field(default=0.0, ge=0, lt=1)
    window: int = 2048
    """STFT window in samples; the hop is the tokenizer's."""
    alignment: Literal["match-stride", "centred"] = "match-stride"
    """D10: how STFT frames are aligned with the tokenizer's frames."""
    embeddings: Literal["factorised", "full"] = "factorised"
    """D9: Appendix A's 8-dim tables with projections, or d-dim tables, which fit the model sizes in Table I."""
    dense: bool = False
    """D9: two additional d x d layers, at the encoder's input and before the heads; they too fit Table I's sizes."""
    distillation: Distillation = "none"
    span: int = Field(default=1, ge=1)
    """Frames masked together (Appendix B); 1 is the token-level masking of §II-B."""
    drop: float = Field(default=0.1, ge=0, le=1)
    """Share of training clips whose encoder output is replaced by the null embedding (§II-B)."""
    seconds: float = Field(default=4.0, gt=0)
    """Length of a training crop and of an inference window."""


class SamplingConfig(BaseModel):
    """How codes are drawn (§II-B; decisions D1-D3)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["iterative", "mean"] = "iterative"
    """mean (ours, not the paper's): one pass over a fully masked codegram, then expected code vectors are decoded. This
    method draws no random numbers; the only other setting that it uses is `guidance`."""
    iterations: int = Field(default=20, ge=1)
    guidance: float = Field(default=1.0, ge=0)
    """w: guided logits are (1 + w) conditional - w unconditional."""
    variance: float = Field(default=4.0, ge=0)
    """Variance of the Gaussian noise on scores, before `anneal` scales it linearly down to 0."""
    anneal: Literal["to-zero", "past-zero"] = "to-zero"
    """D2: in iteration i = 0, ..., S - 1 the variance is scaled by 1 - i / (S - 1), or by 1 - (i + 1) / S."""
    score: Literal["log-probability", "logit"] = "log-probability"
    """D1: the score by which sampled tokens are ranked."""
    temperature: float = Field(default=1.0, ge=0)
    """D3: 0 takes the most probable token."""
    top_k: int = Field(default=0, ge=0)
    """D3: sample among the k most probable tokens; 0 among all."""
