"""Sizes of DCCRN. The defaults are those of DCCRN-E in its authors' repository: 3.7 million parameters."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DccrnConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: int = Field(default=16_000, ge=8_000)
    window: int = Field(default=400, ge=2)
    """Samples of a Hann window."""
    hop: int = Field(default=100, ge=1)
    """Samples between two frames."""
    fft: int = Field(default=512, ge=4)
    """Samples of a frame, padded with zeros."""
    channels: tuple[int, ...] = Field(default=(16, 32, 64, 128, 256, 256), min_length=1)
    """Channels of each encoder stage, real and imaginary parts together. Each stage halves the frequency axis."""
    units: int = Field(default=256, ge=1)
    """Units of each LSTM layer."""
    layers: int = Field(default=2, ge=1)
    """LSTM layers."""

    @property
    def features(self) -> int:
        """Number of features in a frame after the last encoder stage."""
        return self.channels[-1] * (self.fft // 2 >> len(self.channels))

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if any(width < 2 or width % 2 for width in self.channels):
            raise ValueError("channels: wanted even numbers, half for real and half for imaginary parts")
        if self.fft % (2 << len(self.channels)):
            raise ValueError(f"fft: wanted a multiple of {2 << len(self.channels)}, since each stage halves the bins")
        if not self.hop < self.window <= self.fft:
            raise ValueError("wanted hop < window <= fft: a Hann window is 0 at its start")
        return self
