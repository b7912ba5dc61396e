"""Intervals, tests, corrections, ranks and letters against their definitions; test_calibration.py has simulations."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp, ttest_rel

from restorebench.benchmark.analysis.intervals import rare_interval
from restorebench.benchmark.analysis.paired_tests import Sample, pairs, pairwise, score_interval
from restorebench.benchmark.analysis.resampling import Draws, bootstrap_t, resampling, signs
from restorebench.benchmark.analysis.seed_variance import seed_variance
from restorebench.benchmark.analysis.significance import ALPHA, compact_letter_display, holm, ranks, sign_flip_p
from tests.samples import paired, rng


def test_a_score_that_depends_on_one_clip_has_no_interval() -> None:
    alone = Sample(np.array([[1.0, 0.0]]), np.array([[10.0, 0.0]]), np.arange(2))
    assert score_interval(alone, 0, Draws("one")) is None


def test_rounding_errors_are_no_difference() -> None:
    values = rng(0).normal(size=50)
    sample = Sample(np.stack([values, values + 1e-16 * np.arange(50)]), np.ones((2, 50)), np.arange(50))
    difference = pairwise(sample, [(0, 1)], Draws("same"))[0, 1]
    assert difference.value == 0.0
    assert difference.clusters_needed() is None


def test_a_constant_difference_has_no_effect_size() -> None:
    base = np.arange(12) / 7
    delta = pairwise(Sample(np.stack([base + 1, base]), np.ones((2, 12)), np.arange(12)), [(0, 1)], Draws("even"))[0, 1]
    assert delta.value == pytest.approx(1)
    assert delta.effect is None
    alone = Sample(np.array([[2.0], [1.0]]), np.ones((2, 1)), np.arange(1))
    assert pairwise(alone, [(0, 1)], Draws("one"))[0, 1].effect is None


def test_sums_by_cluster_equal_those_of_a_literal_loop() -> None:
    sample = Sample(rng(1).normal(size=(3, 40)), rng(2).uniform(1, 5, (3, 40)), rng(3).integers(0, 7, 40))
    clips = rng(4).uniform(size=40) < 0.6
    numerator, denominator = sample.sums([2, 0], clips)
    cluster_numbers = sorted(set(sample.cluster[clips]))
    for column, number in enumerate(cluster_numbers):
        in_cluster = clips & (sample.cluster == number)
        assert numerator[:, column] == pytest.approx(sample.numerator[[2, 0]][:, in_cluster].sum(1))
        assert denominator[:, column] == pytest.approx(sample.denominator[[2, 0]][:, in_cluster].sum(1))
    assert numerator.shape == (2, len(cluster_numbers))


def test_holm_limits_the_family_wise_error_rate() -> None:
    """With ten true null hypotheses per table, about 5 % of the tables have an error. Also Holm's definition."""
    generator = rng(0)
    assert np.mean([(holm(generator.uniform(size=10)) < 0.05).any() for _ in range(4000)]) <= 0.06
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert list(holm([])) == []


@pytest.mark.parametrize("clusters", [5, 9])
def test_a_small_permutation_test_uses_every_sign_pattern(clusters: int) -> None:
    """A literal loop over all patterns is the oracle."""
    differences = rng(1).normal(0.4, 1, size=(3, clusters))
    p_values = sign_flip_p(signs(rng(0), clusters), differences)
    for row, p in zip(differences, p_values, strict=True):
        at_least_as_large = [
            abs(np.dot(pattern, row)) >= abs(row.sum()) - 1e-9 for pattern in product([-1, 1], repeat=clusters)
        ]
        assert p == pytest.approx(np.mean(at_least_as_large))


def test_permutation_is_close_to_a_t_test_for_normal_differences() -> None:
    sample = paired(3, 200, 1, shift=0.2)
    p = pairwise(sample, [(0, 1)], Draws("t"))[0, 1].p
    assert p == pytest.approx(ttest_rel(sample.numerator[0], sample.numerator[1]).pvalue, abs=0.01)


def test_a_large_sample_has_students_interval() -> None:
    """With 2000 normally distributed scores, all intervals of a mean agree."""
    values = rng(5).normal(3, 1, size=2000)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    interval = score_interval(
        Sample(values[None], np.ones((1, 2000)), np.arange(2000)), 0, Draws("scipy", draws=20_000)
    )
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=0.003)


def test_bootstrap_t_equals_a_literal_loop() -> None:
    values = rng(6).exponential(size=(2, 15))
    influence = values - values.mean(1, keepdims=True)
    counts = resampling(rng(7), 15, 40)
    statistics = bootstrap_t(counts, influence)
    for draw, clip_counts in enumerate(counts):
        for row_number, scores in enumerate(values):
            drawn = np.repeat(scores, clip_counts)
            expected = (drawn.mean() - scores.mean()) / (drawn.std(ddof=1) / np.sqrt(15))
            assert statistics[draw, row_number] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_rare_errors_have_clopper_and_pearsons_interval() -> None:
    """For 0 errors in 96 words the upper limit is 3.8 %. For whole numbers the limits are those of scipy."""
    assert rare_interval(0, 96).high == pytest.approx(0.0377, abs=1e-4)
    expected = binomtest(3, 200).proportion_ci(0.95, "exact")
    interval = rare_interval(3, 200)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert rare_interval(5, 5).high == 1.0


def test_p_can_be_smaller_than_the_resolution_of_the_draws() -> None:
    """1830 pairs of 61 systems are corrected together; if p stopped at 1 / 10 000, no pair could be significant."""
    sample = paired(0, 60, 1, shift=5.0)
    assert pairwise(sample, [(0, 1)], Draws("far"))[0, 1].p < ALPHA / 1830


def test_the_detectable_difference_has_80_percent_power() -> None:
    """A true difference of the detectable size is significant in about 80 % of such samples."""
    typical = np.median(
        [pairwise(paired(seed, 40, 1), [(0, 1)], Draws("d", draws=50))[0, 1].detectable() for seed in range(50)]
    )
    significant = [
        pairwise(paired(seed, 40, 1, shift=float(typical)), [(0, 1)], Draws("p", str(seed), draws=500))[0, 1].p < 0.05
        for seed in range(600)
    ]
    assert np.mean(significant) == pytest.approx(0.8, abs=0.06)
    difference = pairwise(paired(0, 40, 1, shift=0.05), [(0, 1)], Draws("p"))[0, 1]
    detectable = difference.detectable()
    assert detectable is not None
    assert difference.clusters_needed() == pytest.approx(40 * (detectable / difference.value) ** 2, abs=1)


def test_pairs_with_missing_clips_use_their_common_clips() -> None:
    numerator = rng(0).standard_normal((3, 30))
    numerator[0, :5] = np.nan
    numerator[2, 20:] = np.nan
    denominator = np.where(np.isnan(numerator), np.nan, 1.0)
    sample = Sample(numerator, denominator, np.arange(30))
    differences = pairwise(sample, pairs(3), Draws("missing", draws=200))
    assert {pair: difference.clips for pair, difference in differences.items()} == {(0, 1): 25, (0, 2): 15, (1, 2): 20}
    assert differences[0, 2].value == pytest.approx(numerator[0, 5:20].mean() - numerator[2, 5:20].mean())
    numerator[2] = np.nan
    assert set(pairwise(Sample(numerator, denominator, np.arange(30)), pairs(3), Draws("m", draws=50))) == {(0, 1)}


def test_degenerate_samples_have_no_interval() -> None:
    of_one_clip = pairwise(Sample(np.array([[1.0], [2.0]]), np.ones((2, 1)), np.array([0])), [(0, 1)], Draws("x"))[0, 1]
    assert of_one_clip.interval is None
    assert of_one_clip.clusters_needed() is None
    of_equal_scores = pairwise(Sample(np.ones((2, 9)), np.ones((2, 9)), np.arange(9)), [(0, 1)], Draws("x"))[0, 1]
    assert (of_equal_scores.value, of_equal_scores.p, of_equal_scores.interval) == (0.0, 1.0, None), (
        "without spread there is no interval"
    )
    assert of_equal_scores.clusters_needed() is None


@given(st.integers(1, 40), st.integers(1, 20))
@settings(deadline=None, max_examples=30)
def test_each_resample_has_as_many_clusters_as_the_sample(clusters: int, draws: int) -> None:
    counts = resampling(rng(0), clusters, draws)
    assert counts.shape == (draws, clusters)
    assert (counts.sum(1) == clusters).all()
    assert (counts >= 0).all()


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.sampled_from(list(combinations(range(7), 2)))))
    )
)
@settings(deadline=None)
def test_two_systems_share_a_letter_exactly_where_nothing_separates_them(
    case: tuple[int, set[tuple[int, int]]],
) -> None:
    count, pairs_to_separate = case
    separated = {(a, b) for a, b in pairs_to_separate if b < count}
    letters = compact_letter_display(count, separated)
    for a, b in combinations(range(count), 2):
        assert bool(set(letters[a]) & set(letters[b])) == ((a, b) not in separated)
    assert all(letters)


def test_ranks_are_the_ranges_that_significant_pairs_allow() -> None:
    chain = np.array([[0, 1, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)
    assert ranks(chain) == [(1, 1), (3, 3), (2, 2)]
    assert ranks(np.zeros((2, 2), dtype=bool)) == [(1, 2), (1, 2)]
    assert ranks(np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]], dtype=bool)) == [(1, 2), (1, 3), (2, 3)]


def test_seed_variance_separates_clips_from_seeds() -> None:
    generator = rng(2)
    scores = generator.normal(0, 2, size=(4000, 1)) + generator.normal(0, 1, size=(4000, 3))
    parts = seed_variance(scores)
    assert parts is not None
    assert parts.between_clips == pytest.approx(4, rel=0.1)
    assert parts.between_seeds == pytest.approx(1, rel=0.1)
    assert parts.share_of_seeds == pytest.approx(0.2, abs=0.02)
    assert seed_variance(scores[:, :1]) is None
