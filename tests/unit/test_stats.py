"""Statistics are calibrated by simulation: what claims 95 % covers 95 %, what claims 5 % errs in 5 %."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, ttest_rel

from restorebench.benchmark.analysis.intervals import Interval
from restorebench.benchmark.analysis.paired_tests import Sample, pairs, pairwise, score_interval
from restorebench.benchmark.analysis.resampling import Draws, resampling, signs
from restorebench.benchmark.analysis.seed_variance import seed_variance
from restorebench.benchmark.analysis.significance import compact_letter_display, holm, permutation, ranks

TABLES = 1000
rng = np.random.default_rng


def paired(seed: int, clusters: int, each: int, shift: float = 0.0, kind: str = "mean") -> Sample:
    """Two systems; clips of a cluster share a part of their difference, and every clip has its own difficulty."""
    g = rng(seed)
    cluster = np.repeat(np.arange(clusters), each)
    clips = len(cluster)
    if kind == "rate":
        words = g.integers(5, 25, clips).astype(float)
        errors = [g.binomial(words.astype(int), g.beta(1, 9, clips)).astype(float) for _ in range(2)]
        return Sample(np.stack(errors), np.stack([words, words]), cluster)
    shared = g.standard_normal(clusters)[cluster] * (each > 1)
    own = g.exponential(1, clips) - 1 if kind == "skewed" else g.standard_normal(clips)
    difficulty = 3 * g.standard_normal(clips)
    return Sample(np.stack([difficulty + shared + own + shift, difficulty]), np.ones((2, clips)), cluster)


@pytest.mark.parametrize(
    ("clusters", "each", "kind"),
    [(50, 1, "mean"), (50, 1, "skewed"), (60, 1, "rate"), (40, 5, "mean"), (20, 10, "mean")],
)
def test_intervals_cover_and_p_is_uniform(clusters: int, each: int, kind: str) -> None:
    """No true difference: the interval of the difference holds 0 in 93-97 % of tables, p is uniform."""
    found = [
        pairwise(paired(seed, clusters, each, kind=kind), [(0, 1)], Draws("coverage", str(seed), draws=1000))[0, 1]
        for seed in range(TABLES)
    ]
    covered = np.mean([d.interval is not None and d.interval.low <= 0 <= d.interval.high for d in found])
    assert 0.93 <= covered <= 0.97
    p = np.array([d.p for d in found])
    if kind == "rate":  # whole errors: equal sums are common, and each counts as reached, so p is a little too large
        assert all(0.8 * level <= np.mean(p <= level) <= level + 0.02 for level in (0.05, 0.1, 0.5, 0.8))
    else:
        assert kstest(p, "uniform").pvalue > 0.001
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_the_interval_of_a_score_covers_it() -> None:
    covered = []
    for seed in range(TABLES):
        sample = paired(seed, 40, 5, shift=1.5)
        interval = score_interval(sample, 0, Draws("score", str(seed), draws=1000))
        assert interval is not None
        covered.append(interval.low <= 1.5 <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("clusters", [2, 3, 5, 7, 8])
def test_a_handful_of_clips_or_speakers_is_covered_too(clusters: int) -> None:
    """A bootstrap of three covers 73 %, and of eight without the widening 88 %."""
    covered = []
    for seed in range(TABLES):
        difference = pairwise(paired(seed, clusters, 10), [(0, 1)], Draws("few", str(seed), draws=1000))[0, 1]
        assert difference.interval is not None
        covered.append(difference.interval.low <= 0 <= difference.interval.high)
    assert 0.925 <= np.mean(covered) <= 0.97


def test_tied_draws_are_counted_half() -> None:
    """Whole errors over equally long clips: a third of the draws equal the estimate, and rounding must not hide it."""
    covered = []
    words = np.full((1, 30), 10.0)
    for seed in range(TABLES):
        errors = rng(seed).binomial(1, 0.1, 30)[None].astype(float)
        found = score_interval(Sample(errors, words, np.arange(30)), 0, Draws("tied", draws=2000))
        covered.append(found is not None and found.low <= 0.01 <= found.high)
    assert np.mean(covered) >= 0.93


def test_a_score_that_hangs_on_one_clip_has_no_interval() -> None:
    alone = Sample(np.array([[1.0, 0.0]]), np.array([[10.0, 0.0]]), np.arange(2))
    assert score_interval(alone, 0, Draws("one")) is None


def test_the_order_of_a_sum_is_no_difference() -> None:
    values = rng(0).normal(size=50)
    sample = Sample(np.stack([values, values + 1e-16 * np.arange(50)]), np.ones((2, 50)), np.arange(50))
    found = pairwise(sample, [(0, 1)], Draws("same"))[0, 1]
    assert found.value == 0.0
    assert found.clusters_needed is None


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
    found = permutation(signs(rng(0), clusters), differences)
    for row, p in zip(differences, found, strict=True):
        reached = [abs(np.dot(s, row)) >= abs(row.sum()) - 1e-9 for s in product([-1, 1], repeat=clusters)]
        assert p == pytest.approx(np.mean(reached))


def test_permutation_is_close_to_a_t_test_where_that_holds() -> None:
    sample = paired(3, 200, 1, shift=0.2)
    p = pairwise(sample, [(0, 1)], Draws("t"))[0, 1].p
    assert p == pytest.approx(ttest_rel(sample.numerator[0], sample.numerator[1]).pvalue, abs=0.01)


def test_an_interval_against_scipys() -> None:
    """Without our widening the interval is scipy's BCa; with 200 clips the two hardly differ."""
    from scipy.stats import bootstrap

    values = rng(5).exponential(size=200)
    theirs = bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, rng=rng(0)).confidence_interval
    ours = score_interval(Sample(values[None], np.ones((1, 200)), np.arange(200)), 0, Draws("scipy", draws=20_000))
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_power_is_what_it_says() -> None:
    """A true difference of the detectable size is found in about 80 % of sets like this."""
    typical = np.median(
        [pairwise(paired(s, 40, 1), [(0, 1)], Draws("d", draws=50))[0, 1].detectable for s in range(50)]
    )
    found = [
        pairwise(paired(s, 40, 1, shift=float(typical)), [(0, 1)], Draws("p", str(s), draws=500))[0, 1].p < 0.05
        for s in range(600)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)
    wide = pairwise(paired(0, 40, 1, shift=0.05), [(0, 1)], Draws("p"))[0, 1]
    assert wide.clusters_needed is not None
    assert wide.clusters_needed == pytest.approx(40 * (wide.detectable / wide.value) ** 2, abs=1)


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
    assert one.clusters_needed is None
    equal = pairwise(Sample(np.ones((2, 9)), np.ones((2, 9)), np.arange(9)), [(0, 1)], Draws("x"))[0, 1]
    assert (equal.value, equal.p, equal.interval) == (0.0, 1.0, Interval(0.0, 0.0))
    assert equal.clusters_needed is None


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
