"""Settings of the frame codecs and of their training losses. No torch import here: registry rows import this module."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class FrameShape(BaseModel):
    """Sizes of an encoder and a decoder that work on STFT frames."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rate: int = 16_000
    hop: int = Field(default=320, ge=1)
    window: int = 1280
    """STFT window of the encoder, in samples."""
    width: int = 208
    expansion: int = 3
    encoder_blocks: int = Field(default=3, ge=1)
    decoder_blocks: int = Field(default=6, ge=2)
    fine_blocks: int = Field(default=2, ge=1)
    """Further blocks after `decoder_blocks`, at `substeps` frames per codec frame and with the excitation as input."""
    substeps: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _require_whole_substeps(self) -> FrameShape:
        if self.hop % self.substeps or self.window % self.substeps:
            raise ValueError(
                f"substeps = {self.substeps}; wanted a divisor of both hop = {self.hop} and window = {self.window}"
            )
        return self


class FrameCodecConfig(FrameShape):
    codebooks: int = Field(default=6, ge=1)
    codebook_size: int = Field(default=1024, ge=2)
    codebook_dim: int = 8


class CodecLossConfig(BaseModel):
    """Weights of a frame codec's training losses (0 leaves a loss out), and settings of the training."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mel: float = 15.0
    magnitude: float = 1.0
    low_band: float = 10.0
    phase_advance: float = 3.0
    aligned_phase: float = 6.0
    pitch: float = 1.0
    codebook: float = 1.0
    commitment: float = 0.25
    adversarial: float = 0.0
    """Least-squares adversarial loss of the STFT discriminators; 0: training without discriminators."""
    feature: float = 2.0
    """Relative feature matching; without effect if `adversarial` is 0."""
    discriminator_rate: float = Field(default=7e-4, gt=0)
    """Learning rate of the discriminators."""
    ramp: int = Field(default=100, ge=1)
    """Steps over which the weights of the adversarial and the feature loss rise linearly from 0."""
    quantise_after: int = Field(default=200, ge=0)
    """Training steps without quantiser. Then its codebooks are initialised by k-means of the encoder's latents."""
    semantic: float = 10.0
    """SISE's phone prediction (equation 1); used by the task `sise-frame-codec` only."""
