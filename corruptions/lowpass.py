"""Low-pass filters, zero-phase by default: the six designs of VoiceFixer's training pipeline.

By default the four IIR designs run forwards and backwards, which doubles every attenuation. At the nominal cutoff, the
gain is -6 dB for Butterworth filters, -0.2 dB for Chebyshev and elliptic filters, and -25 dB for a Bessel filter of
order 8. Equal cutoffs thus mean different bandwidths.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from pydantic import Field

from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.types import Quantity, Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.options import Range, check_choice, check_number, check_range, uniform
from restorebench.corruptions.step import Samples, Step

Design = Literal["butter", "cheby1", "ellip", "bessel", "stft-hard", "polyphase"]
DESIGNS: tuple[Design, ...] = get_args(Design)
ORDERS = (2, 9)
RIPPLE_DB, STOP_DB = 0.1, 60.0


class LowPassStep(Step):
    name: Literal["lowpass"] = "lowpass"
    cutoff_hz: float = Field(gt=0)
    design: Design
    order: int = Field(default=8, ge=2, le=10)
    """Order of the IIR designs for one pass; the backward pass doubles it."""
    zero_phase: bool = True
    """False: one forward pass, as in SoX."""

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        return {"bandwidth": Quantity(self.cutoff_hz / 1000, "kHz", 2)}

    def apply(self, samples: Samples, rate: int) -> Samples:
        if self.cutoff_hz >= rate / 2:
            return samples
        if self.design == "stft-hard":
            return stft_hard(samples, rate, self.cutoff_hz)
        if self.design == "polyphase":
            return polyphase(samples, rate, self.cutoff_hz)
        from scipy import signal

        sos = design_sos(self.design, self.order, self.cutoff_hz, rate)
        if not self.zero_phase:
            return np.asarray(signal.sosfilt(sos, samples))
        padding = min(3 * (2 * len(sos) + 1), len(samples) - 1)
        return np.asarray(signal.sosfiltfilt(sos, samples, padlen=padding))


def design_sos(design: Design, order: int, cutoff_hz: float, rate: int) -> Samples:
    """Second-order sections of one pass."""
    from scipy import signal

    if design == "butter":
        sos = signal.butter(order, cutoff_hz, fs=rate, output="sos")
    elif design == "cheby1":
        sos = signal.cheby1(order, RIPPLE_DB, cutoff_hz, fs=rate, output="sos")
    elif design == "ellip":
        sos = signal.ellip(order, RIPPLE_DB, STOP_DB, cutoff_hz, fs=rate, output="sos")
    else:
        sos = signal.bessel(order, cutoff_hz, fs=rate, output="sos", norm="phase")
    return np.asarray(sos)


def stft_hard(samples: Samples, rate: int, cutoff_hz: float) -> Samples:
    """Zeroes the STFT bins above the cutoff (46 ms window, 10 ms hop)."""
    from scipy import signal

    size = 2 * round(1024 * rate / 44100)
    transform = signal.ShortTimeFFT(signal.windows.hann(size, sym=False), round(rate / 100), rate)
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    spectrum = transform.stft(padded)
    spectrum[int(len(spectrum) * cutoff_hz / (rate / 2)) :] = 0.0
    return np.real(transform.istft(spectrum, k1=len(padded)))[: len(samples)]


def polyphase(samples: Samples, rate: int, cutoff_hz: float) -> Samples:
    """Resamples to twice the cutoff and back with polyphase filters.

    The low rate is a multiple of 100 Hz, because rates without a large common divisor would need filters of about
    400 000 taps.
    """
    from scipy import signal

    low = max(200, 100 * round(2 * cutoff_hz / 100))
    down = signal.resample_poly(samples, low, rate)
    back = signal.resample_poly(down, rate, low)
    return np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)]


def draw_step(rng: np.random.Generator, cutoff_hz: tuple[float, float], designs: tuple[Design, ...]) -> LowPassStep:
    """A step whose cutoff, order and design are each drawn uniformly."""
    return LowPassStep(
        cutoff_hz=uniform(rng, cutoff_hz),
        order=int(rng.integers(ORDERS[0], ORDERS[1] + 1)),
        design=designs[int(rng.integers(len(designs)))],
    )


class LowPassing(StepChain):
    card = CorruptionCard(
        name="lowpass",
        version=1,
        summary="Zero-phase low-pass: bandwidth_hz, designs among " + ", ".join(DESIGNS),
        source="VoiceFixer tools/dsp/lowpass.py",
    )

    def __init__(
        self, bandwidth_hz: Range = (1000.0, 22050.0), designs: tuple[Design, ...] = DESIGNS, order: int | None = None
    ) -> None:
        self.bandwidth_hz = check_range("bandwidth_hz", bandwidth_hz, 50.0, 96000.0)
        for design in designs:
            check_choice("designs", design, Design)
        if order is not None:
            check_number("order", order, 2, 10)
        self.designs = tuple(designs)
        self.order = order

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        step = draw_step(rng, self.bandwidth_hz, self.designs)
        return self.recipe(step if self.order is None else step.model_copy(update={"order": self.order}))
