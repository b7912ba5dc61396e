"""The frame codecs' encoder, which reads log-magnitude frames, and decoder, which filters an excitation.

|STFT| -> ConvNeXt blocks -> latents;  quantised latents -> ConvNeXt blocks -> pitch -> pulses and noise, each filtered
by the decoder's spectrum -> inverse STFT. ConvNeXt in 1-d and the inverse-STFT head follow Vocos (Siuzdak 2024, §3);
the source is that of harmonic-plus-noise vocoders (Wang et al. 2020, NSF, §III).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.tokenizers.config import FrameShape
from restorebench.systems.tokenizers.harmonic import (
    PITCH_BINS,
    aligned_phase,
    at_samples,
    bin_centres,
    phase_of,
    pulses,
)
from restorebench.systems.tokenizers.pitch import HIGHEST_HZ, LOWEST_HZ, Pitch
from restorebench.systems.tokenizers.spectrum import overlap_add, spectrum

FLOOR = 1e-4
"""Added to magnitudes before their logarithm."""
SOURCE_FLOOR = 1e-2
MAX_LOG_GAIN = 6.0
QUIET = -3.0
"""Initial log-gain of the filters."""
PITCH_AFTER = 2
"""Number of decoder blocks before the layer that predicts the pitch."""
NEIGHBOURS = 3
"""Pitch bins on either side of the best one, averaged with it."""
VOICED = (0.3, 0.7)
"""Voicing probabilities between which pulses fade in."""
NOISE_SEED = 0
REACH = 3
"""Frames on either side that the convolution of a ConvNeXt block covers."""


class ConvNeXtBlock(nn.Module):
    """Depth-wise convolution over 2 REACH + 1 frames, then a per-frame MLP, on a residual path."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 2 * REACH + 1, padding=REACH, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, width, frame], same shape out."""
        y = self.norm(self.depthwise(x).transpose(1, 2))
        mixed: Tensor = self.narrow(functional.gelu(self.widen(y)))
        return x + mixed.transpose(1, 2)


def convnext(width: int, expansion: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ConvNeXtBlock(width, expansion) for _ in range(count)))


class FrameEncoder(nn.Module):
    """Latents [batch, width, frame] of audio [batch, time]."""

    def __init__(self, shape: FrameShape, width: int, blocks: int) -> None:
        super().__init__()
        self.window, self.hop = shape.window, shape.hop
        self.layers = nn.Sequential(
            nn.Conv1d(shape.window // 2 + 1, width, 1), *convnext(width, shape.expansion, blocks)
        )

    def forward(self, audio: Tensor) -> Tensor:
        magnitude = spectrum(audio, self.window, self.hop).abs()
        latents: Tensor = self.layers((magnitude + FLOOR).log())
        return latents


def normal(latents: Tensor) -> Tensor:
    """Latents with zero mean and unit variance over the channels of each frame, without a learned gain."""
    return functional.layer_norm(latents.float().transpose(1, 2), (latents.shape[1],)).transpose(1, 2)


class Synthesised(NamedTuple):
    audio: Tensor
    """[batch, frame * hop]"""
    pitch_logits: Tensor
    """[batch, frame, bin + 1]: classes of log-frequency, and voicing last."""


class FrameDecoder(nn.Module):
    def __init__(self, shape: FrameShape) -> None:
        super().__init__()
        self.rate, self.hop = shape.rate, shape.hop
        self.fine_hop, self.fine_window = shape.hop // shape.substeps, shape.window // shape.substeps
        self.substeps = shape.substeps
        width, bins = shape.width, self.fine_window // 2 + 1
        self.before = convnext(width, shape.expansion, PITCH_AFTER)
        self.pitch = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, PITCH_BINS + 1))
        self.after = convnext(width, shape.expansion, shape.decoder_blocks - PITCH_AFTER)
        self.norm = nn.LayerNorm(width)
        self.refine = nn.Linear(width, self.substeps * width)
        self.listen = nn.Conv1d(bins, width, 3, padding=1)
        self.fine = convnext(width, shape.expansion, shape.fine_blocks)
        self.fine_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 4 * bins)
        with torch.no_grad():
            self.head.weight.mul_(0.3)
            self.head.bias.zero_()
            self.head.bias[: 2 * bins] = QUIET

    def forward(self, quantised: Tensor, pitch: Pitch | None = None, clean: Tensor | None = None) -> Synthesised:
        """Audio of quantised latents [batch, width, frame].

        In training, `pitch` (with `periodicity` as the share of pulses) replaces the predicted pitch. With `clean`
        [batch, time] the pulses follow the phase of the recording's fundamental, and the noise is drawn from torch's
        global generator; without `clean`, the noise has a fixed seed.
        """
        hidden = self.before(quantised)
        logits: Tensor = self.pitch(hidden.transpose(1, 2)).float()
        harmonics, noise = self.sources(pitch or self.predicted(logits), clean)
        return Synthesised(self.filtered(hidden, harmonics, noise), logits)

    def chunks(self, quantised: Tensor, chunk: int) -> Iterator[Tensor]:
        """The audio of `forward` in pieces of `chunk` frames, each computed from the frames that it depends on.

        The pitch is predicted for all frames first, since the pulses' phase is the cumulative sum of the pitch.
        """
        hidden = self.before(quantised)
        harmonics, noise = self.sources(self.predicted(self.pitch(hidden.transpose(1, 2)).float()), None)
        frames, margin = quantised.shape[-1], self.margin
        for start in range(0, frames, chunk):
            first, last = max(start - margin, 0), min(start + chunk + margin, frames)
            fine = slice(first * self.substeps, last * self.substeps)
            audio = self.filtered(hidden[..., first:last], harmonics[..., fine], noise[..., fine])
            yield audio[:, (start - first) * self.hop : (min(start + chunk, frames) - first) * self.hop]

    @property
    def margin(self) -> int:
        """Frames on either side of a frame that its samples depend on, given the excitation."""
        overlap = self.fine_window // self.fine_hop
        fine_frames = REACH * len(self.fine) + 1 + overlap
        return REACH * len(self.after) + math.ceil(fine_frames / self.substeps)

    def filtered(self, hidden: Tensor, harmonics: Tensor, noise: Tensor) -> Tensor:
        """Audio of hidden states [batch, width, frame] and spectra of the sources [batch, bin, fine frame]."""
        hidden = self.norm(self.after(hidden).transpose(1, 2))
        batch, frames, width = hidden.shape
        fine = self.refine(hidden).reshape(batch, frames * self.substeps, width).transpose(1, 2)
        fine = fine + self.listen((harmonics.abs() + SOURCE_FLOOR).log())
        fine = self.fine_norm(self.fine(fine).transpose(1, 2))
        gain, noise_gain, real, imaginary = self.head(fine).float().transpose(1, 2).chunk(4, dim=1)
        shaped = harmonics * gain.clamp(max=MAX_LOG_GAIN).exp() * torch.complex(1 + real, imaginary)
        shaped = shaped + noise * noise_gain.clamp(max=MAX_LOG_GAIN).exp()
        return overlap_add(shaped, self.fine_window, self.fine_hop)

    def predicted(self, logits: Tensor) -> Pitch:
        """Pitch and share of pulses, from logits [batch, frame, bin + 1]."""
        classes, centres = logits[..., :PITCH_BINS], bin_centres(LOWEST_HZ, HIGHEST_HZ, logits.device)
        around = torch.arange(-NEIGHBOURS, NEIGHBOURS + 1, device=logits.device)
        near = (classes.argmax(-1, keepdim=True) + around).clamp(0, PITCH_BINS - 1)
        weights = classes.gather(-1, near).softmax(-1)
        share = (logits[..., PITCH_BINS].sigmoid() - VOICED[0]) / (VOICED[1] - VOICED[0])
        return Pitch((weights * centres[near]).sum(-1).exp(), share.clamp(0, 1))

    @torch.no_grad()
    def sources(self, pitch: Pitch, clean: Tensor | None) -> tuple[Tensor, Tensor]:
        """Spectra [batch, bin, fine frame] of the pulse train and of white noise, without gradient."""
        phase = phase_of(pitch.hz, self.hop, self.rate)
        batch, time = phase.shape
        if clean is None:
            rng = torch.Generator(phase.device).manual_seed(NOISE_SEED)
            white = torch.randn(1, time, generator=rng, device=phase.device).expand(batch, time)
        else:
            phase = aligned_phase(clean, phase, self.rate)
            white = torch.randn(batch, time, device=phase.device)
        train = pulses(phase, pitch.hz, self.hop, self.rate) * at_samples(pitch.periodicity, self.hop).sqrt()
        return (
            spectrum(train, self.fine_window, self.fine_hop),
            spectrum(white, self.fine_window, self.fine_hop),
        )


def pitch_loss(logits: Tensor, pitch: Pitch) -> tuple[Tensor, Tensor]:
    """(cross-entropy of the pitch where voiced, binary cross-entropy of the voicing), each a mean over frames.

    Targets are Gaussian over the bins around the true log-frequency, one bin wide.
    """
    centres = bin_centres(LOWEST_HZ, HIGHEST_HZ, logits.device)
    width = (math.log(HIGHEST_HZ) - math.log(LOWEST_HZ)) / (PITCH_BINS - 1)
    wanted = torch.exp(-0.5 * ((pitch.hz.log()[..., None] - centres) / width) ** 2)
    wanted = wanted / (wanted.sum(-1, keepdim=True) + 1e-9)
    voiced = (pitch.periodicity > 0.5).float()
    entropy = -(wanted * logits[..., :PITCH_BINS].log_softmax(-1)).sum(-1)
    voicing = functional.binary_cross_entropy_with_logits(logits[..., PITCH_BINS], pitch.periodicity)
    return (entropy * voiced).sum() / voiced.sum().clamp(min=1), voicing
