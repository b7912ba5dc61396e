"""Balance of the blocks, attention checks, and the means and intervals that are computed from ratings."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.reports.listening.design import Checks, Kind, passed, session, williams
from restorebench.reports.listening.effects import effects

NO_CHECKS = Checks(0, [])


@given(st.integers(2, 12))
def test_williams_squares(count: int) -> None:
    """Each system is once in each row, and equally often at each position and directly after every other system."""
    rows = williams(count)
    assert all(sorted(row) == list(range(count)) for row in rows)
    positions = Counter((position, system) for row in rows for position, system in enumerate(row))
    successions = Counter(pair for row in rows for pair in pairwise(row))
    assert len(set(positions.values())) == 1
    assert len(successions) == count * (count - 1)
    assert len(set(successions.values())) == 1


@given(
    st.sampled_from(["mos", "dmos", "mushra", "ab"]), st.integers(2, 6), st.integers(1, 12), st.integers(1, 12),
    st.integers(1, 9),
)  # fmt: skip
def test_blocks_are_balanced(kind: Kind, systems: int, clips: int, blocks: int, listeners: int) -> None:
    blocks = min(blocks, clips)
    names, clip_names = [f"s{i}" for i in range(systems)], [f"c{i}" for i in range(clips)]
    cells: Counter[tuple[str, frozenset[str]]] = Counter()
    for listener in range(listeners):
        trials = session(kind, clip_names, names, listener, blocks, NO_CHECKS)
        versions = Counter((trial.clip, frozenset(trial.systems)) for trial in trials)
        assert max(versions.values()) == 1, "nobody rates a version twice"
        cells += versions
        if kind in ("mos", "dmos"):
            assert set(Counter(trial.systems[0] for trial in trials).values()) == {blocks}
    expected = clips * (1 if kind == "mushra" else systems * (systems - 1) // 2 if kind == "ab" else systems)
    counts = [*cells.values(), *[0] * (expected - len(cells))]
    assert max(counts) - min(counts) <= 1
    if blocks == clips:
        assert set(counts) == {listeners}


def test_the_sides_of_pairs_are_counterbalanced() -> None:
    """Within each clip, and for any numbers of clips, blocks and systems."""
    for clips, blocks, systems in ((2, 2, 3), (8, 3, 3), (4, 1, 2), (8, 5, 4), (5, 5, 3)):
        names, clip_names = [f"s{i}" for i in range(systems)], [f"c{i}" for i in range(clips)]
        sessions = [session("ab", clip_names, names, listener, blocks, NO_CHECKS) for listener in range(40)]
        counts = Counter((trial.clip, trial.systems) for trials in sessions for trial in trials)
        for clip in clip_names:
            for one, other in combinations(names, 2):
                assert abs(counts[clip, (one, other)] - counts[clip, (other, one)]) <= 1


def test_every_clip_is_presented_once_in_every_order() -> None:
    """With as many listeners as the Williams square has rows, each clip is presented once in the order of each row."""
    for systems, clips in ((4, 3), (4, 7), (3, 5), (8, 7), (5, 8)):
        names, clip_names = [f"s{i}" for i in range(systems)], [f"c{i}" for i in range(clips)]
        rows = len(williams(systems))
        sessions = [session("mushra", clip_names, names, listener, clips, NO_CHECKS) for listener in range(rows)]
        orders = Counter((trial.clip, trial.systems) for trials in sessions for trial in trials)
        assert len(orders) == clips * rows
        assert set(orders.values()) == {1}


def test_checks_have_other_positions_for_each_listener() -> None:
    """One check of each kind per listener, at positions that differ between listeners and are fixed by the seed."""
    clips, systems = [f"c{i}" for i in range(8)], ["x", "y"]
    sessions = [session("mos", clips, systems, listener, 8, Checks(1, clips)) for listener in range(10)]
    for trials in sessions:
        assert Counter(trial.check for trial in trials) == {"": 16, "beeps": 1, "clean": 1, "noisy": 1}
    positions = {tuple(i for i, trial in enumerate(trials) if trial.check) for trials in sessions}
    assert len(positions) > 5
    assert session("mos", clips, systems, 3, 8, Checks(1, clips)) == sessions[3]
    assert session("mos", clips, systems, 3, 8, Checks(1, clips, seed=1)) != sessions[3]
    without_clips = session("mos", clips, systems, 3, 8, Checks(1, []))
    assert Counter(trial.check for trial in without_clips) == {"": 16, "beeps": 1}, "no clip has a clean version"
    assert not [trial for trial in session("ab", clips, systems, 3, 8, Checks(1, [])) if trial.check]


def test_an_answer_passes_or_fails_a_check() -> None:
    trials = session("mos", ["c"], ["x"], 0, 1, Checks(3, ["c"]))
    for trial in trials:
        passing = {"beeps": [trial.expected], "clean": [4, 5], "noisy": [1, 2], "": []}[trial.check]
        for rating in range(1, 6):
            assert passed(trial, [rating]) == (rating in passing if trial.check else None)
    for trial in session("ab", ["c"], ["x", "y"], 0, 1, Checks(3, ["c"])):
        if trial.check:
            better = -1 if trial.systems[0] == "clean" else 1
            assert [passed(trial, [rating]) for rating in (better, 0, -better)] == [True, False, False]


def test_variances_of_a_complete_table_equal_the_textbooks() -> None:
    """The textbook formulas for the mean squares of a crossed table with one rating per cell."""
    rng = np.random.default_rng(0)
    table = 3 + rng.normal(size=(7, 1)) + 0.5 * rng.normal(size=(1, 9)) + 0.7 * rng.normal(size=(7, 9))
    listeners, items = (axis.ravel() for axis in np.indices(table.shape))
    estimated = effects(table.ravel().tolist(), listeners.tolist(), items.tolist())
    rows, columns = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    between_rows = 9 * np.sum((rows - table.mean()) ** 2) / 6
    between_columns = 7 * np.sum((columns - table.mean()) ** 2) / 8
    rest = np.sum((table - rows - columns + table.mean()) ** 2) / 48
    assert estimated.rest == pytest.approx(rest)
    assert estimated.listener == pytest.approx((between_rows - rest) / 9)
    assert estimated.item == pytest.approx((between_columns - rest) / 7)
    assert estimated.error**2 == pytest.approx((between_rows + between_columns - rest) / 63)
    assert (estimated.mean, estimated.listeners, estimated.items) == (pytest.approx(table.mean()), 7, 9)


def test_too_few_ratings_have_no_interval() -> None:
    assert effects([3, 4], ["a", "b"], ["x", "x"]).interval is None
    assert effects([3, 4, 5, 3], ["a", "a", "b", "b"], ["x", "y", "x", "y"]).interval is not None
    assert effects([3, 4, 5, 3], ["a", "a", "b", "b"], ["x", "x", "y", "y"]).interval is None, "one item per listener"
    assert effects([4] * 4, ["a", "a", "b", "b"], ["x", "y", "x", "y"]).interval is None, "all ratings are equal"


@cache
def design(listeners: int, clips: int, blocks: int) -> tuple[list[int], list[str], list[int]]:
    """Lists over the ratings of one of six systems: the listener, the clip, and the clip's number."""
    names, clip_names = ["s", *"abcde"], [f"c{i}" for i in range(clips)]
    rated = [
        (listener, trial.clip)
        for listener in range(listeners)
        for trial in session("mos", clip_names, names, listener, blocks, NO_CHECKS)
        if trial.systems == ("s",)
    ]
    raters, rated_clips = ([*column] for column in zip(*rated, strict=True))
    return raters, rated_clips, [int(clip[1:]) for clip in rated_clips]


def simulated(
    rng: np.random.Generator,
    listeners: int,
    clips: int,
    blocks: int,
    deviations: tuple[float, float, float],
    mean: float,
) -> tuple[list[float], list[int], list[str]]:
    """Ratings from 1 to 5, with their listeners and clips in the design of the program.

    `deviations` are the standard deviations between listeners, between clips, and of the rest.
    """
    raters, rated_clips, numbers = design(listeners, clips, blocks)
    listener_effects, clip_effects = deviations[0] * rng.normal(size=listeners), deviations[1] * rng.normal(size=clips)
    unrounded = mean + listener_effects[raters] + clip_effects[numbers] + deviations[2] * rng.normal(size=len(raters))
    return np.clip(np.round(unrounded), 1, 5).tolist(), raters, rated_clips


@pytest.mark.parametrize(
    ("listeners", "clips", "blocks", "deviations"),
    [(13, 40, 40, (0.25, 0.35, 0.6)), (13, 40, 13, (0.25, 0.35, 0.6)), (20, 12, 12, (0.3, 0.4, 0.7))],
)
def test_intervals_have_their_nominal_coverage(
    listeners: int, clips: int, blocks: int, deviations: tuple[float, float, float]
) -> None:
    """In 1000 simulated data sets, 93 to 97 % of the intervals contain the mean of all listeners and clips."""
    rng = np.random.default_rng(1)
    true_mean = float(np.mean([np.mean(simulated(rng, 100, 100, 100, deviations, 3.3)[0]) for _ in range(40)]))
    covered = 0
    for _ in range(1000):
        interval = effects(*simulated(rng, listeners, clips, blocks, deviations, 3.3)).interval
        assert interval is not None
        covered += interval.low <= true_mean <= interval.high
    assert 930 <= covered <= 970


def test_intervals_are_as_wide_as_those_of_table_ii() -> None:
    """13 simulated experts rate 40 clips; MaskSR2's Table II has half-widths of 0.04 to 0.10."""
    rng = np.random.default_rng(2)
    half_widths = []
    for _ in range(300):
        interval = effects(*simulated(rng, 13, 40, 40, (0.08, 0.15, 0.6), 3.0)).interval
        assert interval is not None
        half_widths.append((interval.high - interval.low) / 2)
    assert np.quantile(half_widths, 0.05) > 0.04
    assert np.mean(half_widths) == pytest.approx(0.08, abs=0.015)
