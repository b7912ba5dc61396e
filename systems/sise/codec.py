"""The factorised codec: one semantic quantiser, then five acoustic ones on its residual (SISE §2.1).

Encoder, decoder and residual units are DAC's own, or those of the frame codec for the nano sizes. DAC's transposed
convolutions shorten the sound at odd strides; an output padding of one sample corrects that.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from restorebench.systems.sise.config import CodecConfig
from restorebench.systems.tokenizers.frames import FrameDecoder, FrameEncoder, normal
from restorebench.systems.tokenizers.quantizer import Quantised, ResidualQuantizer
from restorebench.systems.tokenizers.tokenizer import Codebook, frames_of, pad_to_hop


def dac_encoder(dim: int, rates: tuple[int, ...], width: int) -> Any:
    """DAC's encoder: [batch, 1, time] to [batch, width, frame]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package uses torch's older weight normalisation
        from dac.model.dac import Encoder

        return Encoder(dim, list(rates), width)


def dac_decoder(width: int, dim: int, rates: tuple[int, ...]) -> Any:
    """DAC's decoder: [batch, width, frame] to exactly [batch, 1, frame * prod(rates)]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dac.model.dac import Decoder

        decoder = Decoder(width, dim, list(rates))
    for module in decoder.modules():
        if isinstance(module, nn.ConvTranspose1d):
            module.output_padding = (module.stride[0] % 2,)
    return decoder


def dac_decoder_margin(rates: tuple[int, ...]) -> int:
    """Number of frames on each side of a frame that affect the frame's audio in DAC's decoder.

    Convolutions reach 3 positions; after each upsampling, three residual units with dilations 1, 3, 9 reach 39 more.
    """
    reach, positions = 3.0, 1
    for rate in rates:
        positions *= rate
        reach += (2 * rate + 39) / positions
    return math.ceil(reach + 3 / positions)


class Predictor(nn.Module):
    """Frame classes from latents: three residual units with dilations 1, 2, 3, and a projection (FACodec's form)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from dac.model.dac import ResidualUnit

            units = [ResidualUnit(width, dilation=dilation) for dilation in (1, 2, 3)]
        self.units = nn.Sequential(*units)
        self.project = nn.Conv1d(width, classes, 1)

    def forward(self, latents: Tensor) -> Tensor:
        """Logits [batch, class, frame] of latents [batch, width, frame]."""
        logits: Tensor = self.project(self.units(latents))
        return logits


class Factorised(NamedTuple):
    semantic: Quantised | None
    acoustic: Quantised

    def bypassed(self, h: Tensor) -> Factorised:
        """As if nothing were quantised: Z_s = h and Z_a = 0, or Z_a = h alone; no losses. Quantiser gradients are 0."""
        acoustic = _without_losses(self.acoustic)
        if self.semantic is None:
            return Factorised(None, acoustic._replace(output=h + 0 * acoustic.output))
        semantic = _without_losses(self.semantic)
        return Factorised(
            semantic._replace(output=h + 0 * semantic.output), acoustic._replace(output=0 * acoustic.output)
        )

    @property
    def output(self) -> Tensor:
        """Z = Z_s + Z_a, [batch, width, frame]."""
        return self.acoustic.output if self.semantic is None else self.semantic.output + self.acoustic.output

    @property
    def codes(self) -> Tensor:
        """[batch, layer, frame], the semantic layer first."""
        if self.semantic is None:
            return self.acoustic.codes
        return torch.cat([self.semantic.codes, self.acoustic.codes], dim=1)

    @property
    def codebook_loss(self) -> Tensor:
        return self.acoustic.codebook_loss + (0 if self.semantic is None else self.semantic.codebook_loss)

    @property
    def commitment_loss(self) -> Tensor:
        return self.acoustic.commitment_loss + (0 if self.semantic is None else self.semantic.commitment_loss)


def _without_losses(quantised: Quantised) -> Quantised:
    return quantised._replace(codebook_loss=0 * quantised.codebook_loss, commitment_loss=0 * quantised.commitment_loss)


class FactorisedCodec(nn.Module):
    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.rate, self.hop = config.rate, config.hop
        self.codebooks, self.codebook_size = config.layers, config.codebook_size
        self.encoder: Any
        self.decoder: Any
        if config.frames:
            self.encoder = FrameEncoder(config.frames, config.width, config.frames.encoder_blocks)
        else:
            self.encoder = dac_encoder(config.encoder_dim, config.encoder_rates, config.width)
        shape = (config.codebook_size, config.codebook_dim)
        self.semantic = ResidualQuantizer(config.width, 1, *shape) if config.semantic else None
        stages = config.acoustic if config.semantic else config.layers
        self.acoustic = ResidualQuantizer(config.width, stages, *shape)
        if config.frames:
            self.decoder = FrameDecoder(config.frames)
        else:
            self.decoder = dac_decoder(config.width, config.decoder_dim, config.decoder_rates)

    def latents(self, audio: Tensor) -> Tensor:
        """h, [batch, width, frame] of audio [batch, time]."""
        if self.config.frames:
            return normal(self.encoder(audio))
        encoded: Tensor = self.encoder(pad_to_hop(audio, self.hop)[:, None])
        return encoded

    def quantise(self, h: Tensor, stages: Tensor | None = None) -> Factorised:
        """h [batch, width, frame]; `stages` [batch]: number of acoustic stages of each clip (quantiser dropout)."""
        if self.semantic is None:
            return Factorised(None, self.acoustic(h, stages))
        semantic: Quantised = self.semantic(h)
        acoustic_input = h - semantic.output.detach() if self.config.residual else h
        return Factorised(semantic, self.acoustic(acoustic_input, stages))

    def synthesise(self, quantised: Tensor) -> Tensor:
        """Audio [batch, frame * hop] of Z [batch, width, frame]."""
        audio: Tensor = self.decoder(quantised).audio if self.config.frames else self.decoder(quantised)[:, 0]
        return audio

    def forward(self, audio: Tensor, stages: Tensor | None = None, quantised: bool = True) -> tuple[Tensor, Factorised]:
        """The reconstruction [batch, time] and the quantisers' output; the decoder gets h if `quantised` is false."""
        h = self.latents(audio)
        factorised = self.quantise(h, stages)
        if not quantised:
            factorised = factorised.bypassed(h)
        return self.synthesise(factorised.output)[:, : audio.shape[-1]], factorised

    def encode(self, audio: Tensor) -> Tensor:
        codes = self.quantise(self.latents(audio)).codes
        assert codes.shape[-1] == frames_of(audio.shape[-1], self.hop)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        return self.synthesise(self.embed(codes))

    def decode_chunks(self, codes: Tensor, chunk: int) -> Iterator[Tensor]:
        """The audio of `decode` (up to rounding) in pieces of `chunk` frames, so that playback can start early."""
        latents = self.embed(codes)
        if self.config.frames:
            yield from self.decoder.chunks(latents, chunk)
            return
        frames, margin = latents.shape[-1], dac_decoder_margin(self.config.decoder_rates)
        for start in range(0, frames, chunk):
            first, end = max(start - margin, 0), min(start + chunk, frames)
            audio = self.synthesise(latents[..., first : end + margin])
            yield audio[:, (start - first) * self.hop : (end - first) * self.hop]

    def embed(self, codes: Tensor) -> Tensor:
        """Z [batch, width, frame] of codes [batch, layer, frame]."""
        if self.semantic is None:
            return self.acoustic.decode(codes)
        return self.semantic.decode(codes[:, :1]) + self.acoustic.decode(codes[:, 1:])

    def quantiser(self) -> list[Codebook]:
        return [*(self.semantic.export() if self.semantic is not None else []), *self.acoustic.export()]

    @property
    def seamless(self) -> bool:
        """Whether codes of a minute can be decoded in one call without much memory: only with the decoder on frames."""
        return self.config.frames is not None

    def quantizers(self) -> list[ResidualQuantizer]:
        return [self.acoustic] if self.semantic is None else [self.semantic, self.acoustic]

    def start_from(self, h: Tensor, rng: torch.Generator) -> None:
        """Fits the quantisers to h [batch, width, frame], one after the other."""
        if self.semantic is None:
            self.acoustic.start_from(h, rng)
            return
        self.semantic.start_from(h, rng)
        with torch.no_grad():
            acoustic_input = h - self.semantic(h).output if self.config.residual else h
        self.acoustic.start_from(acoustic_input, rng)
