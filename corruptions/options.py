"""Types and checks of options that several corruptions have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from restorebench.benchmark.errors import RequestError

Range = float | Sequence[float]
"""A fixed value, or [low, high] for a uniform draw."""


def check_range(option: str, value: Range, low: float, high: float) -> tuple[float, float]:
    """The value as a pair (from, to). Raises RequestError when the pair is outside [low, high] or not ordered."""
    ends = value if isinstance(value, list | tuple) else (value, value)
    is_pair = len(ends) == 2 and all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not is_pair or not low <= ends[0] <= ends[1] <= high:
        raise RequestError(f"{option} = {value!r}; wanted a number, or [from, to], within [{low:g}, {high:g}]")
    return float(ends[0]), float(ends[1])


def check_number(option: str, value: float, low: float, high: float) -> float:
    """A number within [low, high]. Raises RequestError for any other value, and for a range."""
    if isinstance(value, list | tuple):
        raise RequestError(f"{option} = {value!r}; wanted one number")
    return check_range(option, value, low, high)[0]


def check_share(option: str, value: float) -> float:
    """A probability. Raises RequestError for any other value, and for a range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RequestError(f"{option} = {value!r}; wanted one number within [0, 1]")
    return float(value)


def check_choice(option: str, value: str, literal: Any) -> None:
    """Raises RequestError when the value is not a member of the Literal type `literal`."""
    if value not in get_args(literal):
        raise RequestError(f"{option} = {value!r}; wanted one of {', '.join(get_args(literal))}")


def uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(rng.uniform(*bounds)) if bounds[0] < bounds[1] else bounds[0]
