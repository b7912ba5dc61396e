"""DCCRN-E: a complex U-Net over frequency with an LSTM between encoder and decoder (Hu et al. 2020, §2).

The network predicts a complex mask for the spectrum. Real and imaginary parts are the two halves of a tensor's channel
axis. The encoder is causal; each decoder stage looks one frame ahead.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.dccrn.config import DccrnConfig

KERNEL, STRIDE = (5, 2), (2, 1)
"""Over (bins, frames)."""
EPSILON = 1e-8
State = tuple[Tensor, Tensor]


class ComplexLayer(nn.Module):
    """Two real convolutions as one complex one: (R + iI)(x + iy) = (Rx - Iy) + i(Ry + Ix)."""

    def __init__(self, real: nn.Module, imaginary: nn.Module) -> None:
        super().__init__()
        self.real, self.imaginary = real, imaginary

    def forward(self, signal: Tensor) -> Tensor:
        """[batch, channel, bin, frame] -> the same axes."""
        x, y = signal.chunk(2, dim=1)
        return torch.cat([self.real(x) - self.imaginary(y), self.real(y) + self.imaginary(x)], dim=1)


class EncoderStage(nn.Module):
    """Halves the bins. A frame depends on itself and the frame before it."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        real, imaginary = (nn.Conv2d(before // 2, after // 2, KERNEL, STRIDE, (2, 0)) for _ in range(2))
        self.convolution = ComplexLayer(real, imaginary)
        self.activation = nn.Sequential(nn.BatchNorm2d(after), nn.PReLU())

    def forward(self, signal: Tensor) -> Tensor:
        activated: Tensor = self.activation(self.convolution(functional.pad(signal, (1, 0))))
        return activated


class DecoderStage(nn.Module):
    """Doubles the bins. A frame depends on itself and the frame after it."""

    def __init__(self, before: int, after: int, last: bool) -> None:
        super().__init__()
        real, imaginary = (
            nn.ConvTranspose2d(before, after // 2, KERNEL, STRIDE, padding=(2, 0), output_padding=(1, 0))
            for _ in range(2)
        )
        self.convolution = ComplexLayer(real, imaginary)
        self.activation = nn.Identity() if last else nn.Sequential(nn.BatchNorm2d(after), nn.PReLU())

    def forward(self, signal: Tensor, skipped: Tensor) -> Tensor:
        """skipped: output of the encoder stage of the same size."""
        x, y = signal.chunk(2, dim=1)
        skipped_x, skipped_y = skipped.chunk(2, dim=1)
        joined = torch.cat([x, skipped_x, y, skipped_y], dim=1)
        activated: Tensor = self.activation(self.convolution(joined))
        return activated[..., 1:]


class Dccrn(nn.Module):
    window: Tensor

    def __init__(self, config: DccrnConfig) -> None:
        super().__init__()
        self.config = config
        sizes = list(pairwise((2, *config.channels)))
        self.encoder = nn.ModuleList(EncoderStage(*size) for size in sizes)
        self.lstm = nn.LSTM(config.features, config.units, config.layers, batch_first=True)
        self.projection = nn.Linear(config.units, config.features)
        self.decoder = nn.ModuleList(DecoderStage(after, before, last=before == 2) for before, after in reversed(sizes))
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, std=0.05)
                nn.init.zeros_(layer.bias) if layer.bias is not None else None

    def forward(self, audio: Tensor) -> Tensor:
        """Enhanced audio [batch, time] of audio of the same shape."""
        spectrum = self.spectrum(audio)
        return self.sound(masked(spectrum, self.mask(spectrum)), audio.shape[1])

    def enhance(self, audio: Tensor, chunk: int) -> Tensor:
        """What `forward` gives in evaluation mode, except for rounding.

        chunk: number of frames that are processed at once. Beside the audio itself, memory does not grow with the clip.
        """
        window, hop, context = self.config.window, self.config.hop, len(self.encoder)
        padded = self.padded(audio)
        frames = (padded.shape[1] - window) // hop + 1
        total, weight, state = torch.zeros_like(padded), torch.zeros_like(padded[:1]), None
        for start in range(0, frames, chunk):
            stop = min(start + chunk, frames)
            before, after = max(0, start - context), min(stop + context, frames)
            spectrum = self.spectrum_of_padded(padded[:, before * hop : (after - 1) * hop + window])
            stages = [stage[..., start - before :] for stage in self._encoded(spectrum)]
            hidden, state = self._recurrent(stages[-1][..., : stop - start], state)
            ahead, _ = self._recurrent(stages[-1][..., stop - start :], state)
            mask = self._decoded(torch.cat([hidden, ahead], dim=3), stages)
            enhanced = masked(spectrum[..., start - before :], mask)[..., : stop - start]
            sounds, squares = self.overlapped(enhanced)
            span = slice(start * hop, (stop - 1) * hop + window)
            total[:, span] += sounds
            weight[:, span] += squares
        return (total / (weight + EPSILON))[:, window - hop : window - hop + audio.shape[1]]

    def mask(self, spectrum: Tensor) -> Tensor:
        """Complex mask [batch, bin, frame] of a spectrum of the same shape; the mean (bin 0) is removed."""
        stages = self._encoded(spectrum)
        hidden, _ = self._recurrent(stages[-1])
        return self._decoded(hidden, stages)

    def _encoded(self, spectrum: Tensor) -> list[Tensor]:
        """Output of each encoder stage [batch, channel, bin, frame]."""
        signal = torch.stack([spectrum.real, spectrum.imag], dim=1)[:, :, 1:]
        stages = []
        for stage in self.encoder:
            signal = stage(signal)
            stages.append(signal)
        return stages

    def _recurrent(self, signal: Tensor, state: State | None = None) -> tuple[Tensor, State | None]:
        """The LSTM over the frames of [batch, channel, bin, frame], and its state after the last frame."""
        if not signal.shape[3]:
            return signal, state
        hidden, state = self.lstm(signal.flatten(1, 2).transpose(1, 2), state)
        return self.projection(hidden).transpose(1, 2).reshape(signal.shape), state

    def _decoded(self, signal: Tensor, stages: list[Tensor]) -> Tensor:
        for stage, skipped in zip(self.decoder, reversed(stages), strict=True):
            signal = stage(signal, skipped)
        signal = signal.float()  # complex numbers have no bfloat16
        mask: Tensor = functional.pad(torch.complex(signal[:, 0], signal[:, 1]), (0, 0, 1, 0))
        return mask

    def padded(self, audio: Tensor) -> Tensor:
        """Audio with zeros on both sides, so that every sample is in all frames around it."""
        edge = self.config.window - self.config.hop
        return functional.pad(audio, (edge, edge + -(audio.shape[1] + edge) % self.config.hop))

    def spectrum(self, audio: Tensor) -> Tensor:
        """Complex spectrum [batch, bin, frame] of audio [batch, time]."""
        return self.spectrum_of_padded(self.padded(audio))

    def spectrum_of_padded(self, audio: Tensor) -> Tensor:
        frames = audio.unfold(1, self.config.window, self.config.hop) * self.window
        spectrum: Tensor = torch.fft.rfft(frames, self.config.fft)
        return spectrum.transpose(1, 2)

    def sound(self, spectrum: Tensor, samples: int) -> Tensor:
        """Audio [batch, time] of a spectrum, by overlap-add with the analysis window, normalised by its squares.

        The authors' program inverts the transform by a pseudo-inverse instead; the outputs differ by about 0.3 % of
        the peak for random weights.
        """
        sounds, squares = self.overlapped(spectrum)
        edge = self.config.window - self.config.hop
        return (sounds / (squares + EPSILON))[:, edge : edge + samples]

    def overlapped(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of the windowed frames [batch, time] and of the squared windows [1, time]."""
        window, hop = self.config.window, self.config.hop
        frames = torch.fft.irfft(spectrum.transpose(1, 2), self.config.fft)[..., :window] * self.window
        squares = (self.window**2).expand(1, frames.shape[1], window)
        return overlap_add(frames, hop), overlap_add(squares, hop)


def masked(spectrum: Tensor, mask: Tensor) -> Tensor:
    """The spectrum times the mask, whose magnitude is bounded by tanh (masks of kind E, §2.3)."""
    magnitude = (mask.real**2 + mask.imag**2 + 1e-8).sqrt()
    return spectrum * mask * (magnitude.tanh() / magnitude)


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Sum [batch, time] of frames [batch, frame, sample] that begin `hop` samples apart."""
    _, count, length = frames.shape
    size = (1, (count - 1) * hop + length)
    folded = functional.fold(frames.transpose(1, 2), size, (1, length), stride=(1, hop))
    return folded[:, 0, 0]


def si_snr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-noise ratio in dB of each clip [batch], the training objective (§2.4)."""
    energy = target.square().sum(1, keepdim=True)
    projection = (estimate * target).sum(1, keepdim=True) / (energy + 1e-8) * target
    error = estimate - projection
    return 10 * torch.log10(projection.square().sum(1) / (error.square().sum(1) + 1e-8) + 1e-8)
