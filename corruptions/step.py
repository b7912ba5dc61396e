"""The base class of steps. A step is frozen plain data; it changes a pair and draws no random numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from restorebench.benchmark.types import Quantity

Samples = NDArray[np.float64]
STEPS: dict[str, type[Step]] = {}
"""Every imported step by its name."""


@dataclass(frozen=True, eq=False)
class Sounds:
    """A pair while steps are applied: reference and degraded [time] in double precision, at one rate in Hz."""

    reference: Samples
    degraded: Samples
    rate: int

    def with_degraded(self, samples: Samples) -> Sounds:
        return replace(self, degraded=samples)


class Step(BaseModel):
    """One effect. Subclasses implement `apply`, or `on_pair` where both sounds change.

    The field `name` identifies the subclass in JSON.

    Example:
        >>> class InvertStep(Step):
        ...     name: Literal["invert"] = "invert"
        ...     def apply(self, samples, rate):
        ...         return -samples
        >>> STEPS["invert"] is InvertStep
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    keeps_words: ClassVar[bool] = True
    """Whether the clip's text is still a correct transcript of the reference after this step."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Registers the step under its `name`, so that `STEPS` has every step whose module was imported."""
        name = cls.model_fields["name"].default
        if STEPS.setdefault(name, cls).__qualname__ != cls.__qualname__:
            raise TypeError(f"two steps are named {name!r}: {STEPS[name].__module__} and {cls.__module__}")

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        """Factor -> severity of the effect, for breakdowns of scores. seconds: the clip's length; None if unknown."""
        return {}

    def apply(self, samples: Samples, rate: int) -> Samples:
        """The degraded sound [time] after this effect, of the same length."""
        raise NotImplementedError

    def on_pair(self, sounds: Sounds) -> Sounds:
        return sounds.with_degraded(self.apply(sounds.degraded, sounds.rate))
