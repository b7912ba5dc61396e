"""Scores by properties of the clips: the severity of each distortion, the duration, and the speaker.

The share of the variance between clips that a factor explains is the adjusted R squared of a straight line in a numeric
factor, or of a mean per speaker. Its p is from the F test, which treats clips as independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from restorebench.benchmark import registry
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.run.pairs import seconds_of
from restorebench.benchmark.types import Quantity, Trial

BINS = 3
"""Number of bins, with about equal numbers of clips, for a factor with more than `LEVELS` values."""
LEVELS = 6
"""Largest number of values of a factor for which each value has its own bin."""
FEWEST = 6
"""Smallest number of clips with a known factor for a breakdown by this factor."""
SHOWN = 8
"""Largest number of speakers that are shown: half with the lowest means, half with the highest."""
Facts = Mapping[str, Quantity | str]
"""Factor -> its value for a clip: a number, or a name."""


@dataclass(frozen=True, eq=False)
class Factor:
    """A property that differs between the clips of a condition."""

    name: str
    bins: tuple[str, ...]
    place: NDArray[np.int64]
    """The bin of each clip [clip]; -1 where the factor is not known."""
    numbers: NDArray[np.float64] | None
    """The factor itself [clip]; None for names."""


@dataclass(frozen=True)
class Explained:
    """How much of the variance of some numbers a factor explains."""

    share: float
    p: float


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
    """System -> score in each bin."""
    intervals: Mapping[str, tuple[tuple[float, float] | None, ...]]
    """System -> 95 % interval of the score in each bin, where there is one."""
    known: Mapping[str, tuple[int, ...]]
    """System -> clips with a score in each bin."""
    explained: Mapping[str, Explained | None]
    """System -> what the factor explains of its scores; None where this cannot be computed."""


@dataclass(frozen=True)
class Gap:
    """How the difference between two systems depends on a factor."""

    factor: str
    explained: Explained | None
    bins: tuple[str, ...]
    differences: tuple[float | None, ...]
    """First minus second in each bin, in the value's unit."""


def facts_of(trials: Iterable[Trial]) -> dict[str, Facts]:
    """Trial -> the factors that are known from its recipe, its speaker and its file."""
    return {trial.id: facts(trial) for trial in trials}


def facts(trial: Trial) -> Facts:
    seconds = seconds_of(trial)
    known: dict[str, Quantity | str] = {} if seconds is None else {"duration": Quantity(seconds, "s", 1)}
    if trial.utterance.speaker:
        known["speaker"] = trial.utterance.speaker
    if trial.recipe:
        describe = getattr(registry.find("corruptions", trial.recipe.corruption), "severities", None)
        known |= describe(trial.recipe, seconds) if describe else {}
    return known


def factors(scores: PairedScores, facts: Mapping[str, Facts]) -> Iterator[Factor]:
    """Every factor that differs between the clips. facts: trial -> the factors of its clip."""
    known = [facts.get(f"{scores.condition}/{clip}", {}) for clip in scores.clips]
    for name in dict.fromkeys(name for clip in known for name in clip):
        column = [clip.get(name) for clip in known]
        factor = _names(name, column) if name == "speaker" else _numbers(name, column)
        if factor and len(factor.bins) > 1 and (factor.place >= 0).sum() >= FEWEST:
            yield factor


def _numbers(name: str, column: Sequence[Quantity | str | None]) -> Factor | None:
    numbers = np.array([np.nan if fact is None else float(fact) for fact in column])
    usable = np.isfinite(numbers)
    example = next((fact for fact in column if isinstance(fact, Quantity)), None)
    if example is None:
        return None
    levels = np.unique(numbers[usable])
    if len(levels) > LEVELS:
        edges = np.quantile(numbers[usable], np.linspace(0, 1, BINS + 1)[1:-1])
        bin_index = np.searchsorted(edges, numbers)
        inside = [numbers[usable & (bin_index == number)] for number in range(BINS)]
        bins = [f"{example.like(part.min()).bare} to {example.like(part.max())}" for part in inside if len(part)]
        bin_index = np.searchsorted(np.unique(bin_index[usable]), bin_index)
    else:
        bin_index = np.searchsorted(levels, numbers)
        bins = [str(example.like(level)) for level in levels]
    return Factor(name, tuple(bins), np.where(usable, bin_index, -1).astype(np.int64), numbers)


def _names(name: str, column: Sequence[Quantity | str | None]) -> Factor | None:
    """None for fewer than two clips per name on average: names and clips could not be separated."""
    names = sorted({str(fact) for fact in column if fact is not None})
    bin_index = np.array([-1 if fact is None else names.index(str(fact)) for fact in column], dtype=np.int64)
    return Factor(name, tuple(names), bin_index, None) if (bin_index >= 0).sum() >= 2 * len(names) else None


def breakdowns(scores: PairedScores, facts: Mapping[str, Facts]) -> Iterator[Breakdown]:
    """Breakdowns of the scores by every factor that differs between the clips."""
    per_clip = scores.per_clip()
    for factor in factors(scores, facts):
        inside = [factor.place == number for number in range(len(factor.bins))]
        parts = [scores.within(mask) for mask in inside]
        means = np.array([[_pooled(scores, row, mask) for mask in inside] for row in range(len(scores.systems))])
        shown = _shown(means) if factor.numbers is None else range(len(factor.bins))
        yield Breakdown(
            condition=scores.condition,
            value=scores.value.name,
            label=scores.value.label,
            decimals=scores.value.decimals,
            factor=factor.name,
            bins=tuple(factor.bins[index] for index in shown),
            clips=tuple(int(inside[index].sum()) for index in shown),
            means={
                system: tuple(_known(means[row, index]) for index in shown) for row, system in enumerate(scores.systems)
            },
            intervals={system: tuple(_interval(parts[index], system) for index in shown) for system in scores.systems},
            known={
                system: tuple(int(np.isfinite(per_clip[row, inside[index]]).sum()) for index in shown)
                for row, system in enumerate(scores.systems)
            },
            explained={
                system: explained(factor, per_clip[row], least(scores)) for row, system in enumerate(scores.systems)
            },
        )


def gaps(scores: PairedScores, facts: Mapping[str, Facts], first: str, second: str) -> list[Gap]:
    """How the difference between two systems depends on each factor."""
    a, b = scores.systems.index(first), scores.systems.index(second)
    per_clip = scores.per_clip()
    difference = per_clip[a] - per_clip[b]
    common = np.isfinite(difference)
    rows = []
    for factor in factors(scores, facts):
        inside = [common & (factor.place == number) for number in range(len(factor.bins))]
        by_bin = np.array([_pooled(scores, a, mask) - _pooled(scores, b, mask) for mask in inside])
        shown = _shown(by_bin[None]) if factor.numbers is None else range(len(factor.bins))
        rows.append(
            Gap(
                factor.name,
                explained(factor, difference, least(scores)),
                tuple(factor.bins[index] for index in shown),
                tuple(_known(by_bin[index]) for index in shown),
            )
        )
    return rows


def _shown(means: NDArray[np.float64]) -> list[int]:
    """Indices of the bins to show, in ascending order of means [system, bin]; of many only the lowest and highest."""
    present = np.flatnonzero(np.isfinite(means).any(axis=0))
    order = [int(index) for index in present[np.argsort(np.nanmean(means[:, present], axis=0), kind="stable")]]
    return order if len(order) <= SHOWN else [*order[: SHOWN // 2], *order[-SHOWN // 2 :]]


def _pooled(scores: PairedScores, row: int, mask: NDArray[np.bool_]) -> float:
    """The score of a system over the clips of a bin; NaN where it has none."""
    numerator, denominator = scores.sample.numerator[row, mask], scores.sample.denominator[row, mask]
    known = np.isfinite(numerator)
    total = denominator[known].sum()
    return float(numerator[known].sum() / total) * scores.factor if total else float("nan")


def _interval(scores: PairedScores, system: str) -> tuple[float, float] | None:
    _, low, high = scores.summary(system)
    return None if low is None or high is None else (low, high)


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def least(scores: PairedScores) -> float:
    """Smallest standard deviation worth testing: 10 % of the last printed digit."""
    return 0.1 * float(10.0**-scores.value.decimals)


def explained(factor: Factor, values: NDArray[np.float64], least: float = 0.0) -> Explained | None:
    """What a factor explains of values [clip]; None when the values are too few or hardly differ. NaN is left out."""
    known = np.isfinite(values) & (factor.place >= 0)
    chosen, count = values[known], int(known.sum())
    if factor.numbers is None:
        _, bin_index = np.unique(factor.place[known], return_inverse=True)
        groups = np.bincount(bin_index)
        parameters = len(groups)
        fitted = (np.bincount(bin_index, weights=chosen) / np.maximum(groups, 1))[bin_index]
    else:
        numbers = factor.numbers[known]
        parameters = 2
        if count < 2 or np.ptp(numbers) == 0:
            return None
        centred = numbers - numbers.mean()
        slope = centred @ chosen / (centred @ centred)
        fitted = slope * centred + chosen.mean()
    total = float(((chosen - chosen.mean()) ** 2).sum()) if count else 0.0
    rest = float(((chosen - fitted) ** 2).sum())
    if parameters < 2 or count <= parameters or total <= max(least**2 * count, 1e-20 * float((chosen**2).sum())):
        return None
    freedom = (parameters - 1, count - parameters)
    share = 1 - rest / total
    ratio = np.inf if rest == 0 else (total - rest) / freedom[0] / (rest / freedom[1])
    adjusted = 1 - (1 - share) * (count - 1) / freedom[1]
    return Explained(max(0.0, adjusted), float(fdtrc(*freedom, ratio)) if np.isfinite(ratio) else 0.0)
