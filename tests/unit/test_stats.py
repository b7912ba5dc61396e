"""Intervals, tests, corrections, ranks and letters against their definitions; test_calibration.py simulates."""

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


def test_a_score_that_hangs_on_one_clip_has_no_interval() -> None:
    alone = Sample(np.array([[1.0, 0.0]]), np.array([[10.0, 0.0]]), np.arange(2))
    assert score_interval(alone, 0, Draws("one")) is None


def test_the_order_of_a_sum_is_no_difference() -> None:
    values = rng(0).normal(size=50)
    sample = Sample(np.stack([values, values + 1e-16 * np.arange(50)]), np.ones((2, 50)), np.arange(50))
    found = pairwise(sample, [(0, 1)], Draws("same"))[0, 1]
    assert found.value == 0.0
    assert found.clusters_needed() is None


def test_a_constant_difference_has_no_effect_size() -> None:
    base = np.arange(12) / 7
    found = pairwise(Sample(np.stack([base + 1, base]), np.ones((2, 12)), np.arange(12)), [(0, 1)], Draws("even"))[0, 1]
    assert found.value == pytest.approx(1)
    assert found.effect is None
    alone = Sample(np.array([[2.0], [1.0]]), np.ones((2, 1)), np.arange(1))
    assert pairwise(alone, [(0, 1)], Draws("one"))[0, 1].effect is None


def test_sums_by_cluster_are_a_literal_loop() -> None:
    sample = Sample(rng(1).normal(size=(3, 40)), rng(2).uniform(1, 5, (3, 40)), rng(3).integers(0, 7, 40))
    clips = rng(4).uniform(size=40) < 0.6
    numerator, denominator = sample.sums([2, 0], clips)
    numbers = sorted(set(sample.cluster[clips]))
    for place, number in enumerate(numbers):
        mine = clips & (sample.cluster == number)
        assert numerator[:, place] == pytest.approx(sample.numerator[[2, 0]][:, mine].sum(1))
        assert denominator[:, place] == pytest.approx(sample.denominator[[2, 0]][:, mine].sum(1))
    assert numerator.shape == (2, len(numbers))


def test_holm_keeps_the_errors_of_a_table() -> None:
    """Ten true nulls a table, 5 % of tables with any error; against its definition too."""
    g = rng(0)
    assert np.mean([(holm(g.uniform(size=10)) < 0.05).any() for _ in range(4000)]) <= 0.06
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert list(holm([])) == []


@pytest.mark.parametrize("clusters", [5, 9])
def test_permutation_is_every_sign(clusters: int) -> None:
    """A literal loop over all patterns is the oracle."""
    differences = rng(1).normal(0.4, 1, size=(3, clusters))
    found = sign_flip_p(signs(rng(0), clusters), differences)
    for row, p in zip(differences, found, strict=True):
        reached = [abs(np.dot(s, row)) >= abs(row.sum()) - 1e-9 for s in product([-1, 1], repeat=clusters)]
        assert p == pytest.approx(np.mean(reached))


def test_permutation_is_close_to_a_t_test_where_that_holds() -> None:
    sample = paired(3, 200, 1, shift=0.2)
    p = pairwise(sample, [(0, 1)], Draws("t"))[0, 1].p
    assert p == pytest.approx(ttest_rel(sample.numerator[0], sample.numerator[1]).pvalue, abs=0.01)


def test_a_wide_sample_has_students_interval() -> None:
    """With 2000 normal clips all intervals of a mean are one."""
    values = rng(5).normal(3, 1, size=2000)
    theirs = ttest_1samp(values, 0).confidence_interval(0.95)
    ours = score_interval(Sample(values[None], np.ones((1, 2000)), np.arange(2000)), 0, Draws("scipy", draws=20_000))
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_bootstrap_t_is_a_literal_loop() -> None:
    values = rng(6).exponential(size=(2, 15))
    influence = values - values.mean(1, keepdims=True)
    counts = resampling(rng(7), 15, 40)
    found = bootstrap_t(counts, influence)
    for draw, row in enumerate(counts):
        for place, clips in enumerate(values):
            drawn = np.repeat(clips, row)
            wanted = (drawn.mean() - clips.mean()) / (drawn.std(ddof=1) / np.sqrt(15))
            assert found[draw, place] == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_rare_errors_have_clopper_and_pearsons_interval() -> None:
    """0 of 96 words: up to 3.8 %. Against scipy for whole numbers."""
    assert rare_interval(0, 96).high == pytest.approx(0.0377, abs=1e-4)
    theirs = binomtest(3, 200).proportion_ci(0.95, "exact")
    ours = rare_interval(3, 200)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert rare_interval(5, 5).high == 1.0


def test_p_goes_on_where_no_draw_reaches() -> None:
    """Of 61 systems 1830 pairs are corrected together: a p that ends at 1 / 10 000 could never be called."""
    sample = paired(0, 60, 1, shift=5.0)
    assert pairwise(sample, [(0, 1)], Draws("far"))[0, 1].p < ALPHA / 1830


def test_power_is_what_it_says() -> None:
    """A true difference of the detectable size is found in about 80 % of sets like this."""
    typical = np.median(
        [pairwise(paired(s, 40, 1), [(0, 1)], Draws("d", draws=50))[0, 1].detectable() for s in range(50)]
    )
    found = [
        pairwise(paired(s, 40, 1, shift=float(typical)), [(0, 1)], Draws("p", str(s), draws=500))[0, 1].p < 0.05
        for s in range(600)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)
    wide = pairwise(paired(0, 40, 1, shift=0.05), [(0, 1)], Draws("p"))[0, 1]
    shown = wide.detectable()
    assert shown is not None
    assert wide.clusters_needed() == pytest.approx(40 * (shown / wide.value) ** 2, abs=1)


def test_missing_clips_leave_pairs_their_common_ones() -> None:
    numerator = rng(0).standard_normal((3, 30))
    numerator[0, :5] = np.nan
    numerator[2, 20:] = np.nan
    denominator = np.where(np.isnan(numerator), np.nan, 1.0)
    sample = Sample(numerator, denominator, np.arange(30))
    found = pairwise(sample, pairs(3), Draws("missing", draws=200))
    assert {pair: d.clips for pair, d in found.items()} == {(0, 1): 25, (0, 2): 15, (1, 2): 20}
    assert found[0, 2].value == pytest.approx(numerator[0, 5:20].mean() - numerator[2, 5:20].mean())
    numerator[2] = np.nan
    assert set(pairwise(Sample(numerator, denominator, np.arange(30)), pairs(3), Draws("m", draws=50))) == {(0, 1)}


def test_degenerate_tables_say_so() -> None:
    one = pairwise(Sample(np.array([[1.0], [2.0]]), np.ones((2, 1)), np.array([0])), [(0, 1)], Draws("x"))[0, 1]
    assert one.interval is None
    assert one.clusters_needed() is None
    equal = pairwise(Sample(np.ones((2, 9)), np.ones((2, 9)), np.arange(9)), [(0, 1)], Draws("x"))[0, 1]
    assert (equal.value, equal.p, equal.interval) == (0.0, 1.0, None), "no spread, no width"
    assert equal.clusters_needed() is None


@given(st.integers(1, 40), st.integers(1, 20))
@settings(deadline=None, max_examples=30)
def test_resampling_draws_whole_sets(clusters: int, draws: int) -> None:
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
def test_letters_are_shared_exactly_where_nothing_separates(case: tuple[int, set[tuple[int, int]]]) -> None:
    count, wanted = case
    separated = {(a, b) for a, b in wanted if b < count}
    made = compact_letter_display(count, separated)
    for a, b in combinations(range(count), 2):
        assert bool(set(made[a]) & set(made[b])) == ((a, b) not in separated)
    assert all(made)


def test_ranks_are_what_the_sure_pairs_leave_open() -> None:
    chain = np.array([[0, 1, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)
    assert ranks(chain) == [(1, 1), (3, 3), (2, 2)]
    assert ranks(np.zeros((2, 2), dtype=bool)) == [(1, 2), (1, 2)]
    assert ranks(np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]], dtype=bool)) == [(1, 2), (1, 3), (2, 3)]


def test_seed_variance_finds_its_parts() -> None:
    g = rng(2)
    scores = g.normal(0, 2, size=(4000, 1)) + g.normal(0, 1, size=(4000, 3))
    parts = seed_variance(scores)
    assert parts is not None
    assert parts.between_clips == pytest.approx(4, rel=0.1)
    assert parts.between_seeds == pytest.approx(1, rel=0.1)
    assert parts.share_of_seeds == pytest.approx(0.2, abs=0.02)
    assert seed_variance(scores[:, :1]) is None
