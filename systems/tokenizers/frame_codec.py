"""A small codec of our own, for the nano sizes: it works on STFT frames, so that a CPU can train it.

|STFT| -> ConvNeXt blocks -> residual quantiser -> ConvNeXt blocks -> magnitude and phase -> inverse STFT.
ConvNeXt in 1-d and the inverse-STFT head follow Vocos (Siuzdak 2024, §3); the quantiser is DAC's scheme.
"""

from __future__ import annotations

from torch import Tensor, nn

from restorebench.systems.tokenizers.config import FrameCodecConfig
from restorebench.systems.tokenizers.quantizer import Quantised, ResidualQuantizer
from restorebench.systems.tokenizers.spectrum import overlap_add, spectrum
from restorebench.systems.tokenizers.tokenizer import Codebook, frames_of

FLOOR = 1e-4
"""Added to magnitudes before their logarithm."""
MAX_LOG_MAGNITUDE = 7.0


class ConvNeXtBlock(nn.Module):
    """Depth-wise convolution over 7 frames, then a per-frame MLP, on a residual path."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, width, frame], same shape out."""
        y = self.norm(self.depthwise(x).transpose(1, 2))
        mixed: Tensor = self.narrow(nn.functional.gelu(self.widen(y)))
        return x + mixed.transpose(1, 2)


class FrameCodec(nn.Module):
    def __init__(self, config: FrameCodecConfig) -> None:
        super().__init__()
        self.config = config
        self.rate, self.hop = config.rate, config.hop
        self.codebooks, self.codebook_size = config.codebooks, config.codebook_size
        bins = config.window // 2 + 1
        self.encoder = nn.Sequential(
            nn.Conv1d(bins, config.width, 1),
            *(ConvNeXtBlock(config.width, config.expansion) for _ in range(config.encoder_blocks)),
        )
        self.quantizer = ResidualQuantizer(config.width, config.codebooks, config.codebook_size, config.codebook_dim)
        self.decoder = nn.Sequential(
            *(ConvNeXtBlock(config.width, config.expansion) for _ in range(config.decoder_blocks))
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, 2 * bins)

    def latents(self, audio: Tensor) -> Tensor:
        """[batch, width, frame] of audio [batch, time]."""
        magnitude = spectrum(audio, self.config.window, self.hop).abs()
        latents: Tensor = self.encoder((magnitude + FLOOR).log())
        return latents

    def synthesise(self, quantised: Tensor) -> Tensor:
        """Audio [batch, frame * hop] of quantised latents [batch, width, frame]."""
        hidden = self.norm(self.decoder(quantised).transpose(1, 2))
        log_magnitude, phase = self.head(hidden).float().transpose(1, 2).chunk(2, dim=1)
        magnitude = log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp()
        return overlap_add(magnitude * (1j * phase).exp(), self.config.window, self.hop)

    def forward(self, audio: Tensor) -> tuple[Tensor, Quantised]:
        """The reconstruction [batch, time] and what the quantiser made."""
        quantised = self.quantizer(self.latents(audio))
        return self.synthesise(quantised.output)[:, : audio.shape[-1]], quantised

    def encode(self, audio: Tensor) -> Tensor:
        codes: Tensor = self.quantizer(self.latents(audio)).codes
        assert codes.shape[-1] == frames_of(audio.shape[-1], self.hop)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        return self.synthesise(self.quantizer.decode(codes))

    def quantiser(self) -> list[Codebook]:
        return self.quantizer.export()
