"""Clipping: samples beyond a share of the extreme are cut off. No gain is restored."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.types import Recipe
from restorebench.corruptions.step import Effect, Range, Samples, Step, check_choice, check_range, uniform

Law = Literal["per-side", "symmetric"]


class ClipStep(Step):
    name: Literal["clip"] = "clip"
    ratio: float = Field(gt=0, le=1)
    """The share of the extreme that is left."""
    law: Law = "per-side"

    def apply(self, samples: Samples, rate: int) -> Samples:
        if self.law == "symmetric":
            limit = self.ratio * float(np.max(np.abs(samples)))
            return np.clip(samples, -limit, limit)
        # WavAugment's ClipValue: each side relative to its own extreme.
        return np.clip(samples, self.ratio * min(samples.min(), 0.0), self.ratio * max(samples.max(), 0.0))


class Clipping(Effect):
    card = CorruptionCard(
        name="clipping",
        version=1,
        summary="Clipping at a share of the extreme: ratio (0..1], law per-side (VoiceFixer) or symmetric",
        source="VoiceFixer augmentation/magical_effects.py; WavAugment ClipValue; specs §4",
    )

    def __init__(self, ratio: Range = (0.1, 0.5), law: Law = "per-side") -> None:
        self.ratio = check_range("ratio", ratio, 1e-3, 1.0)
        check_choice("law", law, Law)
        self.law: Law = law

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        return self.recipe(ClipStep(ratio=uniform(rng, self.ratio), law=self.law))
