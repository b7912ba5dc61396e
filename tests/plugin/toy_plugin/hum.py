"""A corruption with a step of its own: mains hum. One file, one entry point."""

from typing import Literal

import numpy as np

from restorebench.benchmark.contracts import CorruptionCard
from restorebench.benchmark.types import Quantity
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.step import Step


class HumStep(Step):
    name: Literal["toy-hum"] = "toy-hum"
    level_db: float

    def severities(self, seconds):
        return {"hum": Quantity(self.level_db, "dB", 1)}

    def apply(self, samples, rate):
        return samples + 10 ** (self.level_db / 20) * np.sin(2 * np.pi * 50 * np.arange(len(samples)) / rate)


class Hum(StepChain):
    card = CorruptionCard(name="toy-hum", version=1, summary="Mains hum at 50 Hz", source="tests")

    def draw(self, rng, scene):
        return self.recipe(HumStep(level_db=float(rng.uniform(-40, -10))))
