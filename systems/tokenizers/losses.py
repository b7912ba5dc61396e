"""Training losses of a frame codec: distances of spectra, and of phases below 4 kHz.

At 16 kHz, only an eighth of the magnitude distance and a third of the mel distance lie below 1 kHz, where speech has
most energy and where phase errors lower DNSMOS first. The low-band and phase-advance losses are therefore restricted to
frequencies below 1.2 kHz, the aligned-phase loss to those below 4 kHz.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.tokenizers.spectrum import hann

WINDOWS_S = (0.016, 0.032, 0.064, 0.128)
MELS = (20, 40, 80, 120)
FLOOR = 1e-5
LOW_WINDOWS_S = (0.04, 0.08, 0.128)
LOW_HZ = 1200.0
LOW_FLOOR = 1e-3
PHASE_WINDOW_S = 0.04
ALIGNED_HZ = 4000.0
VOICED = 0.6
"""Share of pulses above which the phase of a frame is compared."""
TINY = 1e-6


def log_l1(estimate: Tensor, wanted: Tensor, floor: float = FLOOR) -> Tensor:
    """Mean |log10 estimate - log10 wanted|, both clamped from below."""
    return functional.l1_loss(estimate.clamp(min=floor).log10(), wanted.clamp(min=floor).log10())


class SpectralDistance(nn.Module):
    """L1 between log mel spectra and between log magnitudes, each averaged over windows of several lengths."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        from torchaudio.transforms import MelScale, Spectrogram

        sizes = [2 * round(seconds * rate / 2) for seconds in WINDOWS_S]
        self.spectra = nn.ModuleList(Spectrogram(size, hop_length=size // 4, power=1.0) for size in sizes)
        self.mels = nn.ModuleList(
            MelScale(mels, rate, n_stft=size // 2 + 1) for size, mels in zip(sizes, MELS, strict=True)
        )

    def forward(self, estimate: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """(mel, magnitude) of audio [batch, time], in log10."""
        mel, magnitude = estimate.new_zeros(()), estimate.new_zeros(())
        for spectrum, scale in zip(self.spectra, self.mels, strict=True):
            ours, theirs = spectrum(estimate), spectrum(wanted)
            mel = mel + log_l1(scale(ours), scale(theirs))
            magnitude = magnitude + log_l1(ours, theirs)
        return mel / len(self.spectra), magnitude / len(self.spectra)


def stft(audio: Tensor, window: int, bins: int) -> Tensor:
    """The lowest `bins` of the centred STFT with a hop of a quarter window, [batch, bin, frame]."""
    spectrum = torch.stft(audio, window, window // 4, window=hann(window, audio.device), return_complex=True)
    return spectrum[:, :bins]


@cache
def bins_below(hz: float, window: int, rate: int) -> int:
    return int(hz / rate * window) + 1


def low_band(estimate: Tensor, wanted: Tensor, rate: int) -> Tensor:
    """Magnitudes below 1.2 kHz, mean over windows of 40, 80 and 128 ms:

    mean |log10 max(|Y|, 1e-3) - log10 max(|X|, 1e-3)| + sum |sqrt|Y| - sqrt|X|| / sum sqrt|X|
    """
    total = estimate.new_zeros(())
    for seconds in LOW_WINDOWS_S:
        window = 2 * round(seconds * rate / 2)
        bins = bins_below(LOW_HZ, window, rate)
        ours = stft(estimate, window, bins).abs()
        with torch.no_grad():
            theirs = stft(wanted, window, bins).abs()
        root, root_wanted = (ours + TINY).sqrt(), (theirs + TINY).sqrt()
        scale = root_wanted.sum((1, 2)) + 1e-2 * root_wanted[0].numel()
        total = total + log_l1(ours, theirs, LOW_FLOOR) + ((root - root_wanted).abs().sum((1, 2)) / scale).mean()
    return total / len(LOW_WINDOWS_S)


def phase_advance(estimate: Tensor, wanted: Tensor, rate: int) -> Tensor:
    """1 - cos between Y[t] conj Y[t-1] and X[t] conj X[t-1] below 1.2 kHz, weighted by sqrt |X[t]|.

    The loss does not depend on the absolute phase, which a low bit rate cannot encode. It compares the frequency
    and the stability of the harmonics.
    """
    window = 2 * round(PHASE_WINDOW_S * rate / 2)
    bins = bins_below(LOW_HZ, window, rate)
    ours = stft(estimate, window, bins)
    with torch.no_grad():
        theirs = stft(wanted, window, bins)
        weight = theirs[..., 1:].abs().sqrt()
        step_wanted = unit(theirs[..., 1:] * theirs[..., :-1].conj())
    step = unit(ours[..., 1:] * ours[..., :-1].conj())
    return ((1 - (step * step_wanted.conj()).real) * weight).sum() / (weight.sum() + TINY)


def aligned_phase(estimate: Tensor, wanted: Tensor, pulses: Tensor, rate: int) -> Tensor:
    """1 - cos of the angle between Y and X below 4 kHz in voiced frames, weighted by sqrt |X|.

    The decoder's pulses must be aligned with the recording (`harmonic.aligned_phase`).
    pulses [batch, frame]: share of pulses in each codec frame.
    """
    window = 2 * round(PHASE_WINDOW_S * rate / 2)
    bins = bins_below(ALIGNED_HZ, window, rate)
    ours = stft(estimate, window, bins)
    with torch.no_grad():
        theirs = stft(wanted, window, bins)
        voiced = functional.interpolate(pulses[:, None], size=theirs.shape[-1], mode="linear") > VOICED
        weight = theirs.abs().sqrt() * voiced
    return ((1 - (unit(ours) * unit(theirs).conj()).real) * weight).sum() / (weight.sum() + TINY)


def unit(spectrum: Tensor) -> Tensor:
    return spectrum / (spectrum.abs() + TINY)
