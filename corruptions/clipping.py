"""Clipping: samples are limited to a share of the extreme value, without make-up gain."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.types import Quantity, Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.options import Range, check_choice, check_range, uniform
from restorebench.corruptions.step import Samples, Step

ClipRule = Literal["per-side", "symmetric"]


class ClipStep(Step):
    name: Literal["clip"] = "clip"
    ratio: float = Field(gt=0, le=1)
    """Clipping limit as a share of the extreme sample value."""
    law: ClipRule = "per-side"

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        return {"clip ratio": Quantity(self.ratio, "", 2)}

    def apply(self, samples: Samples, rate: int) -> Samples:
        if self.law == "symmetric":
            limit = self.ratio * float(np.max(np.abs(samples)))
            return np.clip(samples, -limit, limit)
        # As in WavAugment's ClipValue, the limit of each side is relative to the extreme of that side.
        return np.clip(samples, self.ratio * min(samples.min(), 0.0), self.ratio * max(samples.max(), 0.0))


class Clipping(StepChain):
    card = CorruptionCard(
        name="clipping",
        version=1,
        summary="Clipping at a share of the extreme: ratio (0..1], law per-side (VoiceFixer) or symmetric",
        source="VoiceFixer augmentation/magical_effects.py; WavAugment ClipValue",
    )

    def __init__(self, ratio: Range = (0.1, 0.5), law: ClipRule = "per-side") -> None:
        self.ratio = check_range("ratio", ratio, 1e-3, 1.0)
        check_choice("law", law, ClipRule)
        self.law: ClipRule = law

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        return self.recipe(ClipStep(ratio=uniform(rng, self.ratio), law=self.law))
