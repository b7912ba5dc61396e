"""The shape of the frame codec. No torch here: rows of the registry read it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FrameCodecConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: int = 16_000
    hop: int = Field(default=320, ge=1)
    window: int = 1280
    width: int = 224
    expansion: int = 3
    encoder_blocks: int = 3
    decoder_blocks: int = 6
    codebooks: int = Field(default=6, ge=1)
    codebook_size: int = Field(default=1024, ge=2)
    codebook_dim: int = 8
