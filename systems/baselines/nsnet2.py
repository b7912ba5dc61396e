"""NSNet2: a recurrent network that turns log-power spectra into gains; the baseline of the DNS challenges.

Source: Braun & Tashev, "Data Augmentation and Loss Normalization for Deep Noise Suppression", SPECOM 2020;
microsoft/DNS-Challenge NSNet2-baseline for the transform: 20 ms square-root Hann windows, log10 power floored at 1e-12,
gains between -80 dB and 0 dB. The 48 kHz network hops by half its Fourier size (512 samples), not by half its window.
Input is rounded to 16 bits, as in the files that the authors' program reads. Without the noise floor of this rounding,
empty bands of a recording have less power than any band in training, and the output differs from the authors'
(correlation 0.91 instead of 0.999 on a clip of 44.1 kHz).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.contracts import SystemCard, TrainingCorpus
from restorebench.benchmark.types import Audio, FloatArray
from restorebench.systems.baselines.onnx import session

MIN_POWER, MIN_GAIN = 1e-12, 1e-4
FULL_SCALE = 32768
"""Full scale of 16-bit samples."""


@dataclass(frozen=True)
class Variant:
    """One of the two networks. Calling it returns the system."""

    rate: int
    size: int
    """Samples of the Fourier transform, twice the hop; the window has 20 ms."""
    parameters: int

    @cached_property
    def card(self) -> SystemCard:
        name = f"nsnet2-{self.rate // 1000}k"
        return SystemCard(
            name=name,
            version=1,
            summary=f"NSNet2 denoiser, {self.rate // 1000} kHz, the baseline of the DNS challenges",
            source="Braun & Tashev 2020; github.com/microsoft/DNS-Challenge NSNet2-baseline",
            licence="CC BY 4.0",
            packages=("onnxruntime",),
            extra="baselines",
            rate=self.rate,
            weights=(name,),
            parameters=self.parameters,
            training=(TrainingCorpus(corpus="DNS Challenge 2020"),),
            cost=0.07,
        )

    def __call__(self) -> NsNet2:
        return NsNet2(self)


class NsNet2:
    def __init__(self, variant: Variant) -> None:
        self.variant, self.card = variant, variant.card

    @cached_property
    def network(self) -> Any:
        return session(self.card.name)

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [Audio(self._denoise(audio.samples), audio.rate) for audio in batch]

    def _denoise(self, samples: FloatArray) -> FloatArray:
        from scipy.signal.windows import hann

        length, hop = self.variant.rate // 50, self.variant.size // 2
        window = np.sqrt(hann(length, sym=False))
        count = -(-len(samples) // hop)
        padded = np.zeros((count - 1) * hop + length)
        padded[: len(samples)] = np.round(samples * FULL_SCALE) / FULL_SCALE
        frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop]
        spectrum = np.fft.rfft(frames * window, self.variant.size)
        features = np.log10(np.maximum(np.abs(spectrum) ** 2, MIN_POWER)).astype(np.float32)
        [gains] = self.network.run(None, {self.network.get_inputs()[0].name: features[None]})
        restored = np.fft.irfft(spectrum * np.clip(gains[0], MIN_GAIN, 1), self.variant.size)[:, :length]
        output = np.zeros(len(padded))
        for frame, part in enumerate(restored * dual_window(window, hop)):
            output[frame * hop : frame * hop + length] += part
        return output[: len(samples)].astype(np.float32)


def dual_window(window: NDArray[np.float64], hop: int) -> NDArray[np.float64]:
    """The synthesis window with which an analysis window [sample] reconstructs perfectly at a hop of `hop` samples."""
    power = np.zeros(hop)
    for start in range(0, len(window), hop):
        part = window[start : start + hop] ** 2
        power[: len(part)] += part
    synthesis: NDArray[np.float64] = window / np.maximum(np.tile(power, 2)[: len(window)], 1e-12)
    return synthesis


nsnet2_48k = Variant(48_000, 1024, 6_170_000)
nsnet2_16k = Variant(16_000, 320, 2_690_000)
