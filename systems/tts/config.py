"""Settings of the text-to-speech models. Defaults are MaskGCT's (Wang et al. 2024), which SISE names as its model."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from restorebench.benchmark.errors import RequestError
from restorebench.systems.sise.config import SamplingConfig, TransformerConfig
from restorebench.systems.sise.phonemes import NAMED_SETS, PhoneSet


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TtsConfig(_Table):
    semantic: TransformerConfig = TransformerConfig(width=1536, heads=16, blocks=16, feed_forward=6144)
    """From phones to semantic tokens."""
    acoustic: TransformerConfig = TransformerConfig(width=1024, heads=16, blocks=16, feed_forward=4096)
    """From semantic to acoustic tokens."""
    phones: Literal["arpabet", "arpabet-pinyin"] = "arpabet-pinyin"
    """The phone set; `arpabet` is for English alone."""
    positions: Literal["sequence", "durations"] = "sequence"
    """Rotary positions of the phones. `sequence`: phones come before the frames, and the length of a sentence follows
    from the number of its phones (MaskGCT without its duration model). `durations`: each phone is at the middle of its
    frames, which are known from alignments in training and from a duration model at inference. A small model learns
    `durations` from a few hours of speech."""
    seconds: float = Field(default=8.0, gt=0)
    """Length of a training crop."""
    unconditional: float = Field(default=0.15, ge=0, le=1)
    """Share of training crops without a prompt and, for the semantic model, without phones, for classifier-free
    guidance."""

    @property
    def phone_set(self) -> PhoneSet:
        return PhoneSet(NAMED_SETS[self.phones])


class TtsSampling(_Table):
    semantic_steps: int = Field(default=25, ge=1)
    acoustic_steps: tuple[int, ...] = (25, 10, 1, 1, 1)
    """Number of steps of each acoustic layer. A layer of one step is drawn at temperature 0.2."""
    top_share: float = Field(default=0.02, gt=0, le=1)
    """A token is drawn from this share of the codebook: 21 of 1024 codes."""
    semantic_temperature: float = Field(default=0.9, ge=0)
    acoustic_temperature: float = Field(default=1.5, ge=0)
    """Both temperatures are those of the first step; they fall to 0."""
    guidance: float = Field(default=2.5, ge=0)
    """Classifier-free guidance on hidden states; 0: none."""
    rescale: float = Field(default=0.75, ge=0, le=1)
    """Guided states are mixed with a copy that has the conditional states' standard deviation: weight of this copy."""

    def semantic(self, codes: int) -> SamplingConfig:
        """Settings of a reverse step of the semantic model, for a codebook of this size."""
        return self._step(codes, self.semantic_temperature)

    def acoustic(self, codes: int) -> SamplingConfig:
        """Settings of a reverse step of the acoustic model, for a codebook of this size."""
        return self._step(codes, self.acoustic_temperature)

    def _step(self, codes: int, temperature: float) -> SamplingConfig:
        return SamplingConfig(top_k=math.ceil(self.top_share * codes), temperature=temperature, one_step="gumbel")

    def require_layers(self, acoustic: int) -> None:
        """Raises RequestError when the settings are for another number of acoustic layers."""
        if len(self.acoustic_steps) != acoustic:
            raise RequestError(
                f"sampling names steps for {len(self.acoustic_steps)} acoustic layers, the codec has {acoustic}"
            )
