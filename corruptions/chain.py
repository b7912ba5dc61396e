"""A chain of steps applied to a clip."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from restorebench.benchmark.contracts import CorruptionCard
from restorebench.benchmark.types import Audio, Pair, Quantity, Recipe
from restorebench.corruptions.step import STEPS, Sounds, Step


class StepChain:
    """A corruption whose recipes are lists of steps. Subclasses draw the steps; this class renders them."""

    card: ClassVar[CorruptionCard]

    def recipe(self, *steps: Step) -> Recipe:
        return Recipe(self.card.name, tuple(step.model_dump(mode="json") for step in steps))

    @staticmethod
    def severities(recipe: Recipe, seconds: float | None) -> dict[str, Quantity]:
        """Factor -> drawn severity. If several steps have the same factor, the severity is that of the last step."""
        return {name: q for step in steps_of(recipe) for name, q in step.severities(seconds).items()}

    @staticmethod
    def keeps_words(recipe: Recipe) -> bool:
        """Whether the clip's text is still a correct transcript of the target."""
        return all(step.keeps_words for step in steps_of(recipe))

    def render(self, recipe: Recipe, clean: Audio) -> Pair:
        sounds = Sounds(clean.samples.astype(np.float64), clean.samples.astype(np.float64), clean.rate)
        for step in steps_of(recipe):
            sounds = step.on_pair(sounds)
        return Pair(
            reference=Audio(sounds.reference.astype(np.float32), clean.rate),
            degraded=Audio(sounds.degraded.astype(np.float32), clean.rate),
        )


def steps_of(recipe: Recipe) -> list[Step]:
    """The typed steps of a recipe.

    Raises:
        ValueError: A step is unknown, or its fields in the recipe are invalid (pydantic's ValidationError).
    """
    unknown = [step["name"] for step in recipe.steps if step["name"] not in STEPS]
    if unknown:
        raise ValueError(f"unknown step {unknown[0]!r} in a recipe of {recipe.corruption}; known: {', '.join(STEPS)}")
    return [STEPS[step["name"]].model_validate(step) for step in recipe.steps]
