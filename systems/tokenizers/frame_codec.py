"""The codec of the nano models. It works on STFT frames, so that a CPU can train it and run it.

Log magnitudes -> encoder -> residual quantiser -> decoder with a harmonic source (`frames.py`). The quantiser is DAC's
scheme; latents have zero mean and unit variance in each frame, which bounds the range to quantise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restorebench.systems.tokenizers.config import FrameCodecConfig
from restorebench.systems.tokenizers.frames import FrameDecoder, FrameEncoder, normal
from restorebench.systems.tokenizers.quantizer import Quantised, ResidualQuantizer
from restorebench.systems.tokenizers.tokenizer import Codebook, frames_of


class FrameCodec(nn.Module):
    seamless = True

    def __init__(self, config: FrameCodecConfig) -> None:
        super().__init__()
        self.config = config
        self.rate, self.hop = config.rate, config.hop
        self.codebooks, self.codebook_size = config.codebooks, config.codebook_size
        self.encoder = FrameEncoder(config, config.width, config.encoder_blocks)
        self.quantizer = ResidualQuantizer(config.width, config.codebooks, config.codebook_size, config.codebook_dim)
        self.decoder = FrameDecoder(config)

    def latents(self, audio: Tensor) -> Tensor:
        """[batch, width, frame] of audio [batch, time]."""
        return normal(self.encoder(audio))

    def quantise(self, latents: Tensor, stages: Tensor | None = None) -> Quantised:
        quantised: Quantised = self.quantizer(latents, stages)
        return quantised

    def quantizers(self) -> list[ResidualQuantizer]:
        return [self.quantizer]

    def start_from(self, latents: Tensor, rng: torch.Generator) -> None:
        """Fits the quantiser to latents [batch, width, frame]."""
        self.quantizer.start_from(latents, rng)

    def forward(self, audio: Tensor) -> tuple[Tensor, Quantised]:
        """The reconstruction [batch, time] and the quantiser's output."""
        quantised = self.quantise(self.latents(audio))
        return self.decoder(quantised.output).audio[:, : audio.shape[-1]], quantised

    def encode(self, audio: Tensor) -> Tensor:
        codes = self.quantise(self.latents(audio)).codes
        assert codes.shape[-1] == frames_of(audio.shape[-1], self.hop)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        return self.decode_latents(self.quantizer.decode(codes))

    def decode_latents(self, quantised: Tensor) -> Tensor:
        """Audio [batch, frame * hop] of quantised latents [batch, width, frame]."""
        audio: Tensor = self.decoder(quantised).audio
        return audio

    def quantiser(self) -> list[Codebook]:
        return self.quantizer.export()
