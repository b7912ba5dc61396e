"""Scores by what was done to the clips: how severe each distortion was, how long the clip is, who speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.samples import Scores
from restorebench.benchmark.types import Trial

BINS = 3
"""Of about equal numbers of clips."""
FEWEST = 6
"""Clips below which no bins are made."""
UNITS = {"SNR": "dB", "T60": "s", "bandwidth": "Hz", "clip ratio": "", "duration": "s", "level": "dBFS"}


@dataclass(frozen=True)
class Breakdown:
    """One value by the bins of one factor."""

    condition: str
    value: str
    label: str
    decimals: int
    factor: str
    bins: tuple[str, ...]
    clips: tuple[int, ...]
    means: Mapping[str, tuple[float | None, ...]]
    """System -> mean in each bin."""
    explained: Mapping[str, float]
    """System -> share of the variance of its clips' scores that the factor explains (R squared of a line)."""


def factors(trial: Trial, seconds: float | None) -> dict[str, float]:
    """What a clip's recipe says of it, by name."""
    found = {} if seconds is None else {"duration": seconds}
    for step in trial.recipe.steps if trial.recipe else ():
        name = step["name"]
        if name == "noise":
            found["SNR"] = float(step["snr_db"])
        elif name == "reverb" and "t60_s" in step["rir"]:
            found["T60"] = float(step["rir"]["t60_s"])
        elif name == "lowpass":
            found["bandwidth"] = float(step["cutoff_hz"])
        elif name == "clip":
            found["clip ratio"] = float(step["ratio"])
        elif name in ("level", "joint-rms"):
            found["level"] = float(step["dbfs"])
    return found


def breakdowns(scores: Scores, facts: Mapping[str, Mapping[str, float]]) -> Iterator[Breakdown]:
    """By every factor that differs between clips. facts: clip -> factor -> number."""
    for factor in dict.fromkeys(name for clip in scores.clips for name in facts.get(clip, {})):
        known = np.array([facts.get(clip, {}).get(factor, np.nan) for clip in scores.clips])
        usable = np.isfinite(known)
        if usable.sum() < FEWEST or np.ptp(known[usable]) == 0:
            continue
        edges = np.unique(np.quantile(known[usable], np.linspace(0, 1, BINS + 1)))
        place = np.clip(np.searchsorted(edges, known, side="right") - 1, 0, len(edges) - 2)
        per_clip = scores.sample.over / scores.sample.under * scores.factor
        inside = [usable & (place == number) for number in range(len(edges) - 1)]
        yield Breakdown(
            condition=scores.condition,
            value=scores.value.name,
            label=scores.value.label,
            decimals=scores.value.decimals,
            factor=factor,
            bins=tuple(_bin(low, high, UNITS[factor]) for low, high in pairwise(edges)),
            clips=tuple(int(mask.sum()) for mask in inside),
            means={
                system: tuple(_pooled(scores, row, mask) for mask in inside)
                for row, system in enumerate(scores.systems)
            },
            explained={
                system: explained(known[usable], per_clip[row, usable]) for row, system in enumerate(scores.systems)
            },
        )


def _bin(low: float, high: float, unit: str) -> str:
    return f"{low:.3g} to {high:.3g} {unit}".rstrip()


def _pooled(scores: Scores, row: int, mask: NDArray[np.bool_]) -> float | None:
    over, under = scores.sample.over[row, mask], scores.sample.under[row, mask]
    known = np.isfinite(over)
    return float(over[known].sum() / under[known].sum()) * scores.factor if known.any() else None


def explained(factor: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """R squared of a straight line; 0 where there is nothing to explain."""
    known = np.isfinite(values)
    if known.sum() < 3 or np.ptp(factor[known]) == 0 or np.ptp(values[known]) == 0:
        return 0.0
    return float(np.corrcoef(factor[known], values[known])[0, 1] ** 2)
