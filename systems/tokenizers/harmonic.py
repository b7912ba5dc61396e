"""The excitation of voiced speech: a pulse train that follows a pitch track, and its alignment with a recording.

A decoder that filters a pulse train has to generate the spectral envelope only; without a pulse train it must also
generate the phase of every harmonic, which 3 kbit/s cannot encode (systems/README.md has the measurement).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

PITCH_BINS = 96
LOWPASS_S = 0.05
"""Length of the window that smooths the heterodyned signal before its phase is measured."""
PHASE_HOP_S = 0.01
BAND = 0.975
"""Share of the band up to the Nyquist frequency that harmonics fill."""


def bin_centres(lowest_hz: float, highest_hz: float, device: torch.device) -> Tensor:
    """Log-frequencies [bin] of the pitch classes."""
    return torch.linspace(math.log(lowest_hz), math.log(highest_hz), PITCH_BINS, device=device)


def phase_of(hz: Tensor, hop: int, rate: int) -> Tensor:
    """Phase [batch, time] of a pitch track [batch, frame]: radians summed from 0, in double precision."""
    track = at_samples(hz.log(), hop).exp()
    return (track.double() / rate).cumsum(1) * (2 * math.pi)


def at_samples(frames: Tensor, hop: int) -> Tensor:
    """[batch, time]: values of frames [batch, frame], linearly interpolated between the frames' centres."""
    return functional.interpolate(frames[:, None], scale_factor=hop, mode="linear", align_corners=False)[:, 0]


@torch.no_grad()
def aligned_phase(clean: Tensor, phase: Tensor, rate: int) -> Tensor:
    """The phase [batch, time], moved so that pulses lock to the fundamental of `clean` [batch, time].

    The clean sound is heterodyned by the phase and smoothed over 50 ms; the phase of the result is added.
    """
    length, hop = round(LOWPASS_S * rate), round(PHASE_HOP_S * rate)
    kernel = torch.hann_window(length, device=clean.device)
    wrapped = (phase % (2 * math.pi)).float()
    shifted = torch.stack([clean * wrapped.cos(), -clean * wrapped.sin()], 1)  # [batch, 2, time]
    margin = (length - hop) // 2
    padded = functional.pad(shifted, (margin, length - hop - margin))
    smooth = functional.conv1d(padded, (kernel / kernel.sum()).expand(2, 1, -1), stride=hop, groups=2)
    angle = torch.atan2(smooth[:, 1], smooth[:, 0])
    step = torch.diff(angle, dim=1)
    step = (step + math.pi) % (2 * math.pi) - math.pi
    unwrapped = torch.cat([angle[:, :1], angle[:, :1] + step.cumsum(1)], 1)
    return phase + at_samples(unwrapped, hop)[:, : phase.shape[1]].double()


def pulses(phase: Tensor, hz: Tensor, hop: int, rate: int) -> Tensor:
    """A band-limited pulse train [batch, time] of unit power, with a pulse wherever the phase passes a whole turn.

    It is the sum of cos(k phase) for k = 1 to N in closed form (Dirichlet's kernel), where N is the number of harmonics
    below BAND times the Nyquist frequency.
    """
    wrapped = (phase % (2 * math.pi)).float()
    count = (BAND * rate / 2 / at_samples(hz.log(), hop).exp()).floor()
    half = torch.sin(wrapped / 2)
    on_pulse = half.abs() < 1e-4
    ratio = torch.sin((count + 0.5) * wrapped) / (2 * half.masked_fill(on_pulse, 1.0))
    return (torch.where(on_pulse, count + 0.5, ratio) - 0.5) * (2 / count).sqrt()
