"""What every step of a recipe is: frozen plain data that changes a pair and uses no randomness of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from restorebench.benchmark.contracts import CorruptionCard
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio, Pair, Recipe

Samples = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sounds:
    """A pair in the making: reference and degraded [time] in double precision, at one rate in Hz."""

    reference: Samples
    degraded: Samples
    rate: int

    def with_degraded(self, samples: Samples) -> Sounds:
        return replace(self, degraded=samples)


class Step(BaseModel):
    """One effect. Subclasses implement `apply`, or `on_pair` where both sounds change; `name` is theirs in JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def apply(self, samples: Samples, rate: int) -> Samples:
        """The degraded sound [time] after this effect, of the same length."""
        raise NotImplementedError

    def on_pair(self, sounds: Sounds) -> Sounds:
        return sounds.with_degraded(self.apply(sounds.degraded, sounds.rate))


class Effect:
    """A corruption whose recipes are lists of steps: subclasses draw, this renders."""

    card: ClassVar[CorruptionCard]

    def recipe(self, *steps: Step) -> Recipe:
        return Recipe(self.card.name, tuple(step.model_dump(mode="json") for step in steps))

    def render(self, recipe: Recipe, clean: Audio) -> Pair:
        sounds = Sounds(clean.samples.astype(np.float64), clean.samples.astype(np.float64), clean.rate)
        for step in steps_of(recipe):
            sounds = step.on_pair(sounds)
        return Pair(
            reference=Audio(sounds.reference.astype(np.float32), clean.rate),
            degraded=Audio(sounds.degraded.astype(np.float32), clean.rate),
        )


def steps_of(recipe: Recipe) -> list[Step]:
    """The typed steps of a recipe. Raises pydantic's ValidationError on an unknown step or field."""
    return [_adapter().validate_python(step) for step in recipe.steps]


@cache
def _adapter() -> TypeAdapter[Any]:
    from restorebench.corruptions.clipping import ClipStep
    from restorebench.corruptions.level import JointLevelStep, JointRmsStep, LevelStep
    from restorebench.corruptions.lowpass import LowPassStep
    from restorebench.corruptions.noise import NoiseStep
    from restorebench.corruptions.packet_loss import PacketLossStep
    from restorebench.corruptions.reverb import ReverbStep

    steps = ClipStep | JointLevelStep | JointRmsStep | LevelStep | LowPassStep | NoiseStep | PacketLossStep | ReverbStep
    return TypeAdapter(Annotated[steps, Field(discriminator="name")])


Range = float | Sequence[float]
"""A fixed value, or [low, high] for a uniform draw."""


def check_range(what: str, value: Range, low: float, high: float) -> tuple[float, float]:
    """The range as (low, high). Raises RequestError when it is not inside [low, high] or not ordered."""
    first, last = (
        (float(value), float(value)) if isinstance(value, int | float) else (float(value[0]), float(value[-1]))
    )
    if not low <= first <= last <= high:
        raise RequestError(f"{what} = {value}; wanted a number, or [from, to], within [{low:g}, {high:g}]")
    return first, last


def check_choice(what: str, value: str, kind: Any) -> None:
    """Raises RequestError when the value is none of a Literal's."""
    if value not in get_args(kind):
        raise RequestError(f"{what} = {value!r}; wanted one of {', '.join(get_args(kind))}")


def uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(rng.uniform(*bounds)) if bounds[0] < bounds[1] else bounds[0]
