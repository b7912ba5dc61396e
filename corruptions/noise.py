"""Additive noise at a signal-to-noise ratio, which one of four laws defines.

- `rms`: ratio of mean powers over the whole clip.
- `active`: the speech power is taken over active frames only (32 ms, within 40 dB of the loudest).
- `voicefixer`: ratio of mean magnitudes, 20 log10(mean|speech| / mean|noise|), if mean|speech| > 0.02; otherwise the
  ratio of full scale to the noise's peak. Source: voicefixer_main @374e0d7 data_module.py
- `dns-segmental`: the DNS Challenge's segmental mixer with its bias: the realised ratio is the requested ratio plus the
  speech's crest factor minus the noise's crest factor (in dB). Source: DNS-Challenge @591184a audiolib.py
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.types import Quantity, Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.lowpass import LowPassStep
from restorebench.corruptions.options import Range, check_choice, check_range, uniform
from restorebench.corruptions.sources import Source, draw_noise
from restorebench.corruptions.step import Samples, Step

SnrDefinition = Literal["rms", "active", "voicefixer", "dns-segmental"]
ACTIVE_FRAME_S, ACTIVE_RANGE_DB = 0.032, 40.0
VOICEFIXER_GATE = 0.02


class NoiseStep(Step):
    name: Literal["noise"] = "noise"
    snr_db: float
    law: SnrDefinition = "rms"
    source: Source
    lowpass: tuple[LowPassStep, ...] = ()
    """The speech's low-pass filters, which are applied to the noise too before it is scaled (decision D15)."""

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        return {"SNR": Quantity(self.snr_db, "dB", 1)}

    def apply(self, samples: Samples, rate: int) -> Samples:
        return samples + self.noise(samples, rate)

    def noise(self, samples: Samples, rate: int) -> Samples:
        """The scaled noise [time] that is added to the speech."""
        noise = self.source.samples(len(samples), rate)
        for lowpass in self.lowpass:
            noise = lowpass.apply(noise, rate)
        if np.any(samples) and not np.any(noise):
            raise AudioError(f"the noise is digital silence, so an SNR of {self.snr_db:g} dB is impossible")
        return noise * noise_gain(samples, noise, rate, self.snr_db, self.law)


def noise_gain(speech: Samples, noise: Samples, rate: int, snr_db: float, law: SnrDefinition) -> float:
    """The factor that scales the noise to the SNR; 0 for silent noise and, except for `voicefixer`, silent speech."""
    noise_over_speech = 10 ** (-snr_db / 20)
    if not np.any(noise):
        return 0.0
    if law == "voicefixer":
        peak = float(np.max(np.abs(noise)))
        loudness = float(np.mean(np.abs(speech)))
        gain = loudness / float(np.mean(np.abs(noise))) if loudness > VOICEFIXER_GATE else 1 / peak
        return noise_over_speech * gain
    if law == "dns-segmental":
        # The script scales both peak-normalised sounds to equal RMS, and then applies the ratio of their RMS again.
        noise_over_speech *= crest(noise) / max(crest(speech), 1e-12)
    power = active_power(speech, rate) if law == "active" else float(np.mean(speech**2))
    return noise_over_speech * float(np.sqrt(power / np.mean(noise**2)))


def crest(samples: Samples) -> float:
    """Peak over RMS."""
    return float(np.max(np.abs(samples)) / max(float(np.sqrt(np.mean(samples**2))), 1e-12))


def active_power(speech: Samples, rate: int) -> float:
    """Mean power over the frames that are within 40 dB of the loudest frame."""
    frame = max(1, round(ACTIVE_FRAME_S * rate))
    count = max(1, len(speech) // frame)
    power = np.mean(np.resize(speech, count * frame).reshape(count, frame) ** 2, axis=1)
    return float(np.mean(power[power >= power.max() * 10 ** (-ACTIVE_RANGE_DB / 10)]))


class Noise(StepChain):
    card = CorruptionCard(
        name="noise",
        version=1,
        summary="Noise: snr_db, law rms|active|voicefixer|dns-segmental, noise = folder|colour|babble|synthetic",
        source="voicefixer_main @374e0d7 data_module.py; DNS-Challenge @591184a audiolib.py; decisions D13, D15, D34",
    )

    def __init__(
        self, snr_db: Range = (-5.0, 20.0), law: SnrDefinition = "rms", noise: str = "synthetic", noise_split: str = ""
    ) -> None:
        self.snr_db = check_range("snr_db", snr_db, -60.0, 120.0)
        check_choice("law", law, SnrDefinition)
        self.law: SnrDefinition = law
        self.noise, self.noise_split = noise, noise_split

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        snr_db = uniform(rng, self.snr_db)
        source = draw_noise(rng, scene, self.noise, self.noise_split)
        return self.recipe(NoiseStep(snr_db=snr_db, law=self.law, source=source))
