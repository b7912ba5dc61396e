"""Work functions for the tests of Ray, in a separate module that Ray's worker processes import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def doubled(unit: int) -> int:
    return 2 * unit


def deadly(unit: tuple[object, ...]) -> tuple[object, ...]:
    """Kills its worker process for a unit that contains 13."""
    if 13 in unit:
        os.kill(os.getpid(), signal.SIGKILL)
    return unit[1:]


def slow(unit: tuple[Path, int]) -> int:
    marks, number = unit
    time.sleep(0.3)
    (marks / f"{number}-{os.getpid()}-{time.time_ns()}").touch()
    return number


def halves(unit: tuple[object, ...]) -> list[tuple[object, ...]]:
    return [(unit[0], part) for part in unit[1:]]


def died(unit: tuple[object, ...], why: str) -> tuple[object, ...]:
    assert "the worker process died" in why
    assert why.endswith("twice")
    return (*unit[1:], -1)
