"""Statistics are calibrated by simulation: what claims 95 % covers 95 %, what claims 5 % errs in 5 %.

The table of reports/README.md is `python -m tests.unit.test_calibration`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from restorebench.benchmark.analysis.intervals import FEW
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample, pairwise, score_interval
from restorebench.benchmark.analysis.resampling import Draws
from restorebench.benchmark.contracts import Value

TABLES = 500
rng = np.random.default_rng


def lognormal(g: np.random.Generator, n: int) -> np.ndarray:
    return g.lognormal(size=n) - np.exp(0.5)


KINDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda g, n: g.standard_normal(n),
    "exponential": lambda g, n: g.exponential(size=n) - 1,
    "lognormal": lognormal,
    "15 % differ": lambda g, n: g.standard_normal(n) * (g.random(n) < 0.15),
    "15 % differ, one way": lambda g, n: g.exponential(size=n) * (g.random(n) < 0.15) - 0.15,
}
"""Differences of two systems that are equal in the mean."""


def of_differences(differences: np.ndarray, cluster: np.ndarray | None = None) -> Sample:
    clips = len(differences)
    own = np.stack([differences, np.zeros(clips)])
    return Sample(own, np.ones((2, clips)), np.arange(clips) if cluster is None else cluster)


def calibration(kind: str, clips: int, tables: int = TABLES) -> tuple[float, float, float]:
    """Shares of tables: whose interval holds the truth or is not shown; that show one; that are called different."""
    draws = Draws("calibration", draws=1000)
    truth = 0.15 if kind == "15 % differ, one way" else 0.0  # its common value must be exactly zero
    held = shown = called = 0
    for seed in range(tables):
        differences = KINDS[kind](rng(seed), clips) + truth
        interval = pairwise(of_differences(differences), [(0, 1)], draws)[0, 1].interval
        shown += interval is not None
        held += interval is None or interval.low <= truth <= interval.high
        called += pairwise(of_differences(differences - truth), [(0, 1)], draws)[0, 1].p < 0.05
    return held / tables, shown / tables, called / tables


@pytest.mark.parametrize("clips", [FEW, 20, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_of_a_few_clips_cover(kind: str, clips: int) -> None:
    held, _, called = calibration(kind, clips)
    assert held >= 0.88, "90 %, less 1.5 standard errors of the simulation"
    assert called <= 0.11


@pytest.mark.parametrize("clips", [5, 8])
@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_fewer_clips_do_where_scores_are_not_strongly_skewed(kind: str, clips: int) -> None:
    held, shown, called = calibration(kind, clips)
    assert held >= 0.89
    assert shown > 0.99
    assert called <= 0.08


def spoken(seed: int, speakers: int, each: int) -> Sample:
    """Two equal systems; clips of a speaker share a part of their difference, and every clip its own difficulty."""
    g = rng(seed)
    cluster = np.repeat(np.arange(speakers), each)
    shared = g.standard_normal(speakers)[cluster] * (each > 1)
    difficulty = 3 * g.standard_normal(len(cluster))
    own = g.standard_normal(len(cluster))
    return Sample(np.stack([difficulty + shared + own, difficulty]), np.ones((2, len(cluster))), cluster)


@pytest.mark.parametrize(("speakers", "each"), [(2, 10), (3, 10), (5, 10), (8, 10), (20, 10), (40, 5), (50, 1)])
def test_clusters_are_what_is_drawn(speakers: int, each: int) -> None:
    found = [pairwise(spoken(s, speakers, each), [(0, 1)], Draws("c", draws=1000))[0, 1] for s in range(TABLES)]
    covered = [d.interval is not None and d.interval.low <= 0 <= d.interval.high for d in found]
    assert 0.92 <= np.mean(covered) <= 0.99
    assert np.mean([d.p < 0.05 for d in found]) <= 0.065


def test_clips_taken_for_independent_would_cover_too_little() -> None:
    """Why clusters: the same tables, every clip its own cluster."""
    covered = []
    for seed in range(200):
        sample = spoken(seed, 20, 10)
        alone = Sample(sample.numerator, sample.denominator, np.arange(200))
        interval = pairwise(alone, [(0, 1)], Draws("alone", draws=500))[0, 1].interval
        assert interval is not None
        covered.append(interval.low <= 0 <= interval.high)
    assert np.mean(covered) < 0.8


def test_error_rates_are_calibrated_too() -> None:
    """10 % errors over clips of 5 to 25 words, with clips that are harder than others."""
    covered, called = [], []
    for seed in range(TABLES):
        g = rng(seed)
        words = g.integers(5, 25, 60).astype(float)
        errors = [g.binomial(words.astype(int), g.beta(1, 9, 60)).astype(float) for _ in range(2)]
        found = pairwise(Sample(np.stack(errors), np.stack([words, words]), np.arange(60)), [(0, 1)], Draws("rate"))
        interval = found[0, 1].interval
        covered.append(interval is not None and interval.low <= 0 <= interval.high)
        called.append(found[0, 1].p < 0.05)
    assert 0.93 <= np.mean(covered) <= 0.98
    assert np.mean(called) <= 0.06


@pytest.mark.parametrize(("clips", "rate"), [(12, 0.003), (60, 0.003), (60, 0.01), (200, 0.003)])
def test_rare_errors_are_covered(clips: int, rate: float) -> None:
    """A good recogniser on clean speech: most clips have no error at all."""
    value = Value(name="w", label="WER", unit="%", direction="lower", reduction="rate", role="intelligibility")
    words, covered = np.full((1, clips), 18.0), []
    for seed in range(TABLES):
        errors = rng(seed).binomial(18, rate, clips)[None].astype(float)
        scores = PairedScores(
            "c", value, ("s",), tuple(map(str, range(clips))), Sample(errors, words, np.arange(clips)), "clip"
        )
        _, low, high = scores.summary("s")
        assert low is not None
        assert high is not None
        covered.append(low <= 100 * rate <= high)
    assert np.mean(covered) >= 0.9


def test_more_errors_than_words_have_no_interval_of_rare_events() -> None:
    """Insertions count too: four errors of three words."""
    value = Value(name="w", label="WER", unit="%", direction="lower", reduction="rate", role="intelligibility")
    sample = Sample(np.array([[2.0, 2.0, 0.0]]), np.ones((1, 3)), np.arange(3))
    rate, low, high = PairedScores("c", value, ("s",), ("a", "b", "c"), sample, "clip").summary("s")
    assert rate == pytest.approx(400 / 3)
    assert low is None or (low <= rate <= (high or 0.0))


def test_the_interval_of_a_score_covers_it() -> None:
    covered = []
    for seed in range(TABLES):
        interval = score_interval(spoken(seed, 40, 5), 0, Draws("score", draws=1000))
        assert interval is not None
        covered.append(interval.low <= 0 <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.98


if __name__ == "__main__":
    for name in KINDS:
        for count in (5, 8, 12, 20, 30):
            held, shown, called = calibration(name, count, 2000)
            print(f"| {name} | {count} | {100 * held:.0f} % | {100 * shown:.0f} % | {100 * called:.1f} % |", flush=True)
