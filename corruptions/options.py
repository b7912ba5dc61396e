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
    ends = value if isinstance(value, list | tuple) else (value, value)
    numbers = len(ends) == 2 and all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not numbers or not low <= ends[0] <= ends[1] <= high:
        raise RequestError(f"{what} = {value!r}; wanted a number, or [from, to], within [{low:g}, {high:g}]")
    return float(ends[0]), float(ends[1])


def check_number(what: str, value: float, low: float, high: float) -> float:
    """A number within [low, high]. Raises RequestError for anything else, a range too."""
    if isinstance(value, list | tuple):
        raise RequestError(f"{what} = {value!r}; wanted one number")
    return check_range(what, value, low, high)[0]


def check_share(what: str, value: float) -> float:
    """A probability. Raises RequestError for anything else, a range too."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RequestError(f"{what} = {value!r}; wanted one number within [0, 1]")
    return float(value)


def check_choice(what: str, value: str, kind: Any) -> None:
    """Raises RequestError when the value is none of a Literal's."""
    if value not in get_args(kind):
        raise RequestError(f"{what} = {value!r}; wanted one of {', '.join(get_args(kind))}")


def uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(rng.uniform(*bounds)) if bounds[0] < bounds[1] else bounds[0]
