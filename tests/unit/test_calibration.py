"""Statistics are calibrated by simulation: what claims 95 % covers 95 %, what claims 5 % errs in 5 %.

The table of reports/README.md is `python -m tests.unit.test_calibration`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import kstest

from restorebench.benchmark.analysis.intervals import FEW
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample, pairwise, score_interval
from restorebench.benchmark.analysis.resampling import Draws
from restorebench.benchmark.analysis.significance import sign_flip_p
from restorebench.benchmark.contracts import Value
from tests.samples import paired

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


@pytest.mark.parametrize(
    ("clusters", "each", "kind"),
    [(50, 1, "mean"), (50, 1, "skewed"), (60, 1, "rate"), (40, 5, "mean"), (20, 10, "mean")],
)
def test_intervals_cover_and_p_is_uniform(clusters: int, each: int, kind: str) -> None:
    """No true difference: the interval of the difference holds 0 in 93-97 % of tables, the sign flips' p is uniform.

    The p that is shown, the larger one of two, calls no more tables different than it says.
    """
    found, flips = [], []
    for seed in range(1000):
        sample, draws = paired(seed, clusters, each, kind=kind), Draws("coverage", str(seed), draws=1000)
        found.append(pairwise(sample, [(0, 1)], draws)[0, 1])
        numerator, denominator = sample.sums([0, 1], sample.common([0, 1]))
        differences = (numerator[0] - numerator[1])[None] / denominator.mean(0).sum()
        flips.append(sign_flip_p(draws.signs(numerator.shape[1]), differences)[0])
    covered = np.mean([d.interval is not None and d.interval.low <= 0 <= d.interval.high for d in found])
    assert 0.93 <= covered <= 0.97
    p = np.array(flips)
    if kind == "rate":  # whole errors: equal sums are common, and each counts as reached, so p is a little too large
        assert all(0.8 * level <= np.mean(p <= level) <= level + 0.02 for level in (0.05, 0.1, 0.5, 0.8))
    else:
        assert kstest(p, "uniform").pvalue > 0.001
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean([d.p <= 0.05 for d in found]) == pytest.approx(0.05, abs=0.02)
    assert all(d.p >= flip for d, flip in zip(found, flips, strict=True))


@pytest.mark.parametrize("clusters", [2, 3, 5, 7, 8])
def test_a_handful_of_clips_or_speakers_is_covered_too(clusters: int) -> None:
    """A bootstrap of three alone covers 73 %."""
    covered = []
    for seed in range(1000):
        difference = pairwise(paired(seed, clusters, 10), [(0, 1)], Draws("few", str(seed), draws=1000))[0, 1]
        assert difference.interval is not None
        covered.append(difference.interval.low <= 0 <= difference.interval.high)
    assert 0.925 <= np.mean(covered) <= 0.97


def test_clips_taken_for_independent_would_cover_too_little() -> None:
    """Why clusters: the same tables, every clip its own cluster."""
    covered = []
    for seed in range(200):
        sample = paired(seed, 20, 10)
        alone = Sample(sample.numerator, sample.denominator, np.arange(200))
        interval = pairwise(alone, [(0, 1)], Draws("alone", str(seed), draws=500))[0, 1].interval
        assert interval is not None
        covered.append(interval.low <= 0 <= interval.high)
    assert np.mean(covered) < 0.8


@pytest.mark.parametrize(("clips", "rate"), [(12, 0.003), (30, 0.01), (60, 0.003), (60, 0.01), (200, 0.003)])
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
    assert np.mean(covered) >= 0.93


def test_more_errors_than_words_have_no_interval_of_rare_events() -> None:
    """Insertions count too: four errors of three words."""
    value = Value(name="w", label="WER", unit="%", direction="lower", reduction="rate", role="intelligibility")
    sample = Sample(np.array([[2.0, 2.0, 0.0]]), np.ones((1, 3)), np.arange(3))
    rate, low, high = PairedScores("c", value, ("s",), ("a", "b", "c"), sample, "clip").summary("s")
    assert rate == pytest.approx(400 / 3)
    assert low is None or (low <= rate <= (high or 0.0))


def test_the_interval_of_a_score_covers_it() -> None:
    covered = []
    for seed in range(1000):
        interval = score_interval(paired(seed, 40, 5, shift=1.5), 0, Draws("score", str(seed), draws=1000))
        assert interval is not None
        covered.append(interval.low <= 1.5 <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.97


if __name__ == "__main__":
    for name in KINDS:
        for count in (5, 8, 12, 20, 30):
            held, shown, called = calibration(name, count, 2000)
            print(f"| {name} | {count} | {100 * held:.0f} % | {100 * shown:.0f} % | {100 * called:.1f} % |", flush=True)
