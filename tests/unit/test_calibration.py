"""Simulations check that 95 % intervals contain the true value in about 95 % of tables, and that tests err in 5 %.

`python -m tests.unit.test_calibration` prints the table of reports/README.md.
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
"""Distributions of the difference between two systems with equal means."""


def of_differences(differences: np.ndarray, cluster: np.ndarray | None = None) -> Sample:
    clips = len(differences)
    own = np.stack([differences, np.zeros(clips)])
    return Sample(own, np.ones((2, clips)), np.arange(clips) if cluster is None else cluster)


def calibration(kind: str, clips: int, tables: int = TABLES) -> tuple[float, float, float]:
    """Shares of tables: interval contains the truth or is not shown; interval is shown; difference is significant."""
    draws = Draws("calibration", draws=1000)
    truth = 0.15 if kind == "15 % differ, one way" else 0.0  # makes 85 % of the differences exactly 0
    covered = shown = significant = 0
    for seed in range(tables):
        differences = KINDS[kind](rng(seed), clips) + truth
        interval = pairwise(of_differences(differences), [(0, 1)], draws)[0, 1].interval
        shown += interval is not None
        covered += interval is None or interval.low <= truth <= interval.high
        significant += pairwise(of_differences(differences - truth), [(0, 1)], draws)[0, 1].p < 0.05
    return covered / tables, shown / tables, significant / tables


@pytest.mark.parametrize("clips", [FEW, 20, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_of_few_clips_contain_the_truth(kind: str, clips: int) -> None:
    covered, _, significant = calibration(kind, clips)
    assert covered >= 0.88, "90 %, less 1.5 standard errors of the simulation"
    assert significant <= 0.11


@pytest.mark.parametrize("clips", [5, 8])
@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_five_clips_suffice_where_scores_are_not_strongly_skewed(kind: str, clips: int) -> None:
    covered, shown, significant = calibration(kind, clips)
    assert covered >= 0.89
    assert shown > 0.99
    assert significant <= 0.08


@pytest.mark.parametrize(
    ("clusters", "each", "kind"),
    [(50, 1, "mean"), (50, 1, "skewed"), (60, 1, "rate"), (40, 5, "mean"), (20, 10, "mean")],
)
def test_intervals_contain_the_truth_and_p_is_uniform(clusters: int, each: int, kind: str) -> None:
    """Without a true difference, intervals of the difference contain 0 in 93-97 % of tables; sign-flip p is uniform.

    The p that is shown is the larger of two p values; it is at most 0.05 in about 5 % of tables.
    """
    comparisons, flips = [], []
    for seed in range(1000):
        sample, draws = paired(seed, clusters, each, kind=kind), Draws("coverage", str(seed), draws=1000)
        comparisons.append(pairwise(sample, [(0, 1)], draws)[0, 1])
        numerator, denominator = sample.sums([0, 1], sample.common([0, 1]))
        differences = (numerator[0] - numerator[1])[None] / denominator.mean(0).sum()
        flips.append(sign_flip_p(draws.signs(numerator.shape[1]), differences)[0])
    covered = np.mean([d.interval is not None and d.interval.low <= 0 <= d.interval.high for d in comparisons])
    assert 0.93 <= covered <= 0.97
    p = np.array(flips)
    if kind == "rate":  # integer counts: equal sums are common and count as extreme, so p is a little too large
        assert all(0.8 * level <= np.mean(p <= level) <= level + 0.02 for level in (0.05, 0.1, 0.5, 0.8))
    else:
        assert kstest(p, "uniform").pvalue > 0.001
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean([d.p <= 0.05 for d in comparisons]) == pytest.approx(0.05, abs=0.02)
    assert all(d.p >= flip for d, flip in zip(comparisons, flips, strict=True))


@pytest.mark.parametrize("clusters", [2, 3, 5, 7, 8])
def test_intervals_of_very_few_clusters_contain_the_truth(clusters: int) -> None:
    """With three clusters, intervals of a plain bootstrap would contain the truth in only 73 % of tables."""
    covered = []
    for seed in range(1000):
        difference = pairwise(paired(seed, clusters, 10), [(0, 1)], Draws("few", str(seed), draws=1000))[0, 1]
        assert difference.interval is not None
        covered.append(difference.interval.low <= 0 <= difference.interval.high)
    assert 0.925 <= np.mean(covered) <= 0.97


def test_clips_treated_as_independent_give_too_narrow_intervals() -> None:
    """Shows why clusters are needed: 20 speakers have ten clips each, but every clip is its own cluster."""
    covered = []
    for seed in range(200):
        sample = paired(seed, 20, 10)
        unclustered = Sample(sample.numerator, sample.denominator, np.arange(200))
        interval = pairwise(unclustered, [(0, 1)], Draws("alone", str(seed), draws=500))[0, 1].interval
        assert interval is not None
        covered.append(interval.low <= 0 <= interval.high)
    assert np.mean(covered) < 0.8


@pytest.mark.parametrize(("clips", "rate"), [(12, 0.003), (30, 0.01), (60, 0.003), (60, 0.01), (200, 0.003)])
def test_intervals_of_rare_errors_contain_the_truth(clips: int, rate: float) -> None:
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
    """Insertions count as errors too: three words have four errors."""
    value = Value(name="w", label="WER", unit="%", direction="lower", reduction="rate", role="intelligibility")
    sample = Sample(np.array([[2.0, 2.0, 0.0]]), np.ones((1, 3)), np.arange(3))
    rate, low, high = PairedScores("c", value, ("s",), ("a", "b", "c"), sample, "clip").summary("s")
    assert rate == pytest.approx(400 / 3)
    assert low is None or (low <= rate <= (high or 0.0))


def test_the_interval_of_a_score_contains_the_true_score() -> None:
    covered = []
    for seed in range(1000):
        interval = score_interval(paired(seed, 40, 5, shift=1.5), 0, Draws("score", str(seed), draws=1000))
        assert interval is not None
        covered.append(interval.low <= 1.5 <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.97


if __name__ == "__main__":
    for name in KINDS:
        for count in (5, 8, 12, 20, 30):
            shares = calibration(name, count, 2000)
            covered, shown, significant = (100 * share for share in shares)
            print(f"| {name} | {count} | {covered:.0f} % | {shown:.0f} % | {significant:.1f} % |", flush=True)
