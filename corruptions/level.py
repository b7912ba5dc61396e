"""Levels: a clip set to an RMS level, and joint scaling of input and target by peak (VoiceFixer) or RMS (DNS)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.types import Quantity, Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.options import Range, check_range, uniform
from restorebench.corruptions.step import Samples, Sounds, Step

CLIP_LEVEL = 0.99
"""Largest sample magnitude that the DNS Challenge's script allows."""


class LevelStep(Step):
    """Sets the RMS level of the degraded sound; silence stays silence."""

    name: Literal["level"] = "level"
    dbfs: float
    """RMS level in dB relative to full scale 1.0."""

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        return {"level": Quantity(self.dbfs, "dBFS", 1)}

    def apply(self, samples: Samples, rate: int) -> Samples:
        rms = float(np.sqrt(np.mean(samples**2)))
        return samples if rms == 0 else samples * (10 ** (self.dbfs / 20) / rms)


class JointLevelStep(Step):
    """Scales input and target by one factor: the louder peak of the two becomes `peak`."""

    name: Literal["joint-level"] = "joint-level"
    peak: float = Field(gt=0, le=1)

    def on_pair(self, sounds: Sounds) -> Sounds:
        loudest = max(float(np.max(np.abs(s), initial=0.0)) for s in (sounds.reference, sounds.degraded))
        gain = self.peak / loudest if loudest > 0 else 1.0
        return replace(sounds, reference=sounds.reference * gain, degraded=sounds.degraded * gain)


class JointRmsStep(Step):
    """Scales input and target by one factor: the input gets this RMS level, or less if its peak would exceed 0.99."""

    name: Literal["joint-rms"] = "joint-rms"
    dbfs: float

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        return {"level": Quantity(self.dbfs, "dBFS", 1)}

    def on_pair(self, sounds: Sounds) -> Sounds:
        rms = float(np.sqrt(np.mean(sounds.degraded**2)))
        gain = 10 ** (self.dbfs / 20) / rms if rms > 0 else 1.0
        loudest = gain * float(np.max(np.abs(sounds.degraded), initial=0.0))
        gain *= min(1.0, CLIP_LEVEL / loudest) if loudest > 0 else 1.0
        return replace(sounds, reference=sounds.reference * gain, degraded=sounds.degraded * gain)


class Level(StepChain):
    card = CorruptionCard(
        name="level",
        version=1,
        summary="RMS level of the input in dBFS (the level of the target is not changed)",
        source="DNS Challenge level range [-35, -15] dBFS",
    )

    def __init__(self, dbfs: Range = (-35.0, -15.0)) -> None:
        self.dbfs = check_range("dbfs", dbfs, -90.0, 0.0)

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        return self.recipe(LevelStep(dbfs=uniform(rng, self.dbfs)))
