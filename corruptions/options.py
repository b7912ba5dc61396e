"""Option types that corruptions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from restorebench.benchmark.errors import RequestError

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
