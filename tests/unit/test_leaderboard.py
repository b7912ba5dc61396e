"""Leaderboards: significant winners, ties, no ranks for incomplete systems and anchors; breakdowns of scores."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.analysis.board import board as board_of_plan
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.contracts import SystemCard, Value
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Cell, Quantity, Recipe, Table, Trial, Utterance
from restorebench.corruptions.packet_loss import PacketLoss
from restorebench.corruptions.rooms import Room
from restorebench.reports.tables.breakdown import Factor, Facts, breakdowns, explained, facts, gaps
from restorebench.reports.tables.explain import breakdown_tables, significant_rows
from restorebench.reports.tables.in_words import _sentence, in_words
from restorebench.reports.tables.leaderboard import Column, column
from restorebench.reports.terminal import terminal

ROOM = Room(size_m=(5, 5, 3), source_m=(1, 1, 1), microphone_m=(2, 2, 1), t60_s=0.5)
VALUE = Value(name="v", label="V", unit="MOS", direction="higher")
SYSTEMS = ("target", "good", "alike", "bad", "holed")
CARDS = {
    name: SystemCard(name=name, version=1, summary="", source="", kind="anchor" if name == "target" else "system")
    for name in SYSTEMS
}


def scores(shifts: tuple[float, ...], clips: int = 40) -> PairedScores:
    rng = np.random.default_rng(0)
    base = rng.normal(3, 0.5, clips)
    numerator = np.stack([base + shift + rng.normal(0, 0.1, clips) for shift in shifts])
    numerator[4, 3] = np.nan
    sample = Sample(numerator, np.where(np.isnan(numerator), np.nan, 1.0), np.arange(clips))
    return PairedScores("c", VALUE, SYSTEMS, tuple(map(str, range(clips))), sample, "clip")


def placed(paired: PairedScores) -> Column:
    clips = len(paired.clips)
    cells = {}
    for row, system in enumerate(paired.systems):
        n = int(np.isfinite(paired.sample.numerator[row]).sum())
        low_high = paired.summary(system)
        cells[system] = Cell("s", "c", system, "v", "v@1", *low_high, n, clips)
    return column(paired, cells, CARDS)


def test_a_tie_has_no_winner() -> None:
    entries = placed(scores((2.0, 1.0, 1.0, 0.0, 5.0))).entries
    assert entries["good"].ties == entries["alike"].ties == "a"
    assert entries["bad"].ties == "b"
    assert not any(entry.winner for entry in entries.values())
    assert entries["bad"].rank == (3, 3)
    assert entries["good"].rank == (1, 2)
    assert entries["target"].rank is None
    assert entries["holed"].rank is None
    assert (entries["holed"].cell.n, entries["holed"].cell.planned) == (39, 40)


def test_a_significant_winner_is_marked() -> None:
    entries = placed(scores((2.0, 1.0, 0.5, 0.0, 5.0))).entries
    assert [name for name, entry in entries.items() if entry.winner] == ["good"]
    cell = entries["good"].cell
    assert cell.low is not None
    assert cell.high is not None
    assert cell.low < (cell.value or 0) < cell.high


@pytest.mark.parametrize("clips", [12, 40])
def test_the_detectable_difference_is_found_in_80_of_100_tables(clips: int) -> None:
    """Simulates two systems with exactly this difference, under the board's correction for multiple tests."""
    detectable = placed(scores((2.0, 1.0, 1.0, 1.0, 1.0), clips)).detectable
    assert detectable is not None
    separated = []
    for seed in range(150):
        own = np.random.default_rng(seed).normal(0, 0.1, (5, clips))
        sample = Sample(
            own + np.array([[9.0], [0.0], [detectable], [-9.0], [-18.0]]), np.ones((5, clips)), np.arange(clips)
        )
        table = PairedScores("c", VALUE, SYSTEMS, tuple(map(str, range(clips))), sample, "clip")
        tested = table.difference("good", "alike")
        separated.append(tested is not None and tested.separated)
    # The detectable difference assumes the strictest of Holm's ten levels. Here all other pairs are separated, so this
    # pair is tested at a less strict level.
    assert 0.75 <= np.mean(separated) <= 0.99


def test_too_few_clips_can_show_no_difference() -> None:
    """With five clips, p cannot be below 0.0625, however large the difference is."""
    ranking = placed(scores((2.0, 1.0, 0.0, -1.0, 1.0), 5))
    assert ranking.detectable is None
    assert not any(entry.winner for entry in ranking.entries.values())


def test_cost_is_not_tested() -> None:
    """The clips of a batch share one measurement, so twelve clips may be only two independent measurements."""
    speed = VALUE.model_copy(update={"role": "speed"})
    ranking = placed(replace(scores((2.0, 1.0, 0.5, 0.0, 5.0)), value=speed))
    assert all(entry.rank is None and not entry.winner and entry.cell.low is None for entry in ranking.entries.values())
    assert ranking.entries["good"].cell.value is not None


def test_facts_of_a_clip_come_from_its_recipe() -> None:
    recipe = Recipe(
        "voicefixer",
        (
            {"name": "clip", "ratio": 0.25}, {"name": "reverb", "rir": ROOM.model_dump()},
            {"name": "lowpass", "cutoff_hz": 4000.0, "design": "butter"},
            {"name": "noise", "snr_db": 5.0, "source": {"kind": "coloured", "seed": 1, "exponent": 0.0}},
        ),
    )  # fmt: skip
    trial = Trial("s", "c", Utterance(id="a", uri=None, speaker="x"), recipe, "k")
    assert facts(trial) == {"speaker": "x", "clip ratio": 0.25, "T60": 0.5, "bandwidth": 4.0, "SNR": 5.0}
    assert [str(fact) for fact in facts(trial).values()] == ["x", "0.25", "0.50 s", "4.00 kHz", "5.0 dB"]
    lost = Recipe("packet-loss", ({"name": "packet-loss", "packet_s": 0.02, "bursts": [[3, 1], [9, 3]]},))
    assert PacketLoss.severities(lost, 2.0) == {"packet loss": 4.0}
    assert PacketLoss.severities(lost, None) == {}


def test_bins_hold_every_clip_once_and_the_relevant_factor_explains_the_scores() -> None:
    clips = 60
    snr = np.random.default_rng(1).uniform(-5, 20, clips)
    numerator = (3 + 0.05 * snr)[None]
    sample = Sample(numerator, np.ones((1, clips)), np.arange(clips))
    paired = PairedScores("c", VALUE, ("one",), tuple(map(str, range(clips))), sample, "clip")
    clip_facts: dict[str, Facts] = {
        f"c/{number}": {"SNR": Quantity(snr_db, "dB", 1), "T60": Quantity(0.5, "s", 2)}
        for number, snr_db in enumerate(snr)
    }
    [breakdown] = breakdowns(paired, clip_facts)
    assert breakdown.factor == "SNR"
    assert sum(breakdown.clips) == clips
    assert max(breakdown.clips) - min(breakdown.clips) <= 1
    means = breakdown.means["one"]
    assert all(mean is not None for mean in means)
    assert sorted(means) == list(means)  # type: ignore[type-var]
    assert breakdown.explained["one"].share == pytest.approx(1.0)
    assert breakdown.explained["one"].p < 1e-9


def two_systems(slope: float, voices: float = 0.0) -> tuple[PairedScores, dict[str, Facts]]:
    """Two systems whose difference depends on the SNR and on the speaker; each of twelve speakers has ten clips."""
    rng = np.random.default_rng(3)
    clips = 120
    snr, speaker = rng.uniform(-5, 20, clips), np.arange(clips) % 12
    base = rng.normal(3, 0.5, clips)
    gap = 0.2 + slope * snr + voices * (speaker == 7) + rng.normal(0, 0.1, clips)
    sample = Sample(np.stack([base + gap, base]), np.ones((2, clips)), np.arange(clips))
    clip_facts: dict[str, Facts] = {
        f"c/{n}": {"SNR": Quantity(snr[n], "dB", 1), "speaker": f"p{speaker[n]:02d}"} for n in range(clips)
    }
    return PairedScores("c", VALUE, ("a", "b"), tuple(map(str, range(clips))), sample, "clip"), clip_facts


def test_the_factor_behind_a_gap_is_named() -> None:
    paired, clip_facts = two_systems(slope=0.02)
    snr, speaker = gaps(paired, clip_facts, "a", "b")
    assert (snr.factor, speaker.factor) == ("SNR", "speaker")
    assert snr.explained.share == pytest.approx(0.02**2 * 52 / (0.02**2 * 52 + 0.01), abs=0.1)
    assert [d for d in snr.differences if d is not None] == sorted(d for d in snr.differences if d is not None)
    [row] = significant_rows([(paired, "a - b", gap) for gap in (snr, speaker)])
    assert row[:3] == ("V", "a - b", "SNR")
    assert "+0" in row[5]
    assert " dB" in row[5]


def test_a_speaker_behind_a_gap_is_among_those_shown() -> None:
    paired, clip_facts = two_systems(slope=0.0, voices=1.0)
    snr, speaker = gaps(paired, clip_facts, "a", "b")
    assert speaker.explained.share > 0.8
    assert len(speaker.bins) == 8, "the worst four and the best four of twelve"
    assert speaker.bins[-1] == "p07"
    assert speaker.differences[-1] == pytest.approx(1.2, abs=0.1)
    assert significant_rows([(paired, "", snr)]) == ()


def test_nothing_is_explained_where_nothing_differs_or_nothing_is_known() -> None:
    paired, clip_facts = two_systems(slope=0.0)
    assert significant_rows([(paired, "", gap) for gap in gaps(paired, clip_facts, "a", "b")]) == ()
    assert {gap.explained for gap in gaps(paired, clip_facts, "a", "a")} == {None}
    assert gaps(paired, {}, "a", "b") == []


def test_speakers_with_one_clip_each_are_no_factor() -> None:
    paired, clip_facts = two_systems(slope=0.0)
    one_clip_each: dict[str, Facts] = {clip: {"speaker": clip} for clip in clip_facts}
    assert gaps(paired, one_clip_each, "a", "b") == []


def test_a_random_factor_is_rarely_named() -> None:
    """At p < 0.05, the F test should name about 20 of 400 random factors."""
    paired, _ = two_systems(slope=0.0)
    rng = np.random.default_rng(9)
    named = 0
    for _ in range(400):
        clip_facts: dict[str, Facts] = {f"c/{clip}": {"SNR": Quantity(rng.normal(), "dB", 1)} for clip in paired.clips}
        [gap] = gaps(paired, clip_facts, "a", "b")
        named += gap.explained.p < 0.05
    assert 8 <= named <= 33


def test_a_clip_on_which_no_system_has_a_value_changes_no_rank() -> None:
    paired = scores((2.0, 1.0, 0.5, 0.0, 5.0))
    paired.sample.numerator[:, 7] = np.nan
    entries = placed(paired).entries
    assert entries["good"].rank == (1, 1)
    assert entries["good"].winner
    assert entries["holed"].rank is None, "it has no value on another clip"


@pytest.mark.parametrize(
    ("numbers", "bins", "clips"),
    [
        ([0.0] * 10 + [20.0] * 10, ("0.0 dB", "20.0 dB"), (10, 10)),
        ([0.0, 5.0, 10.0, 15.0] * 5, ("0.0 dB", "5.0 dB", "10.0 dB", "15.0 dB"), (5, 5, 5, 5)),
        (list(range(12)), ("0.0 to 3.0 dB", "4.0 to 7.0 dB", "8.0 to 11.0 dB"), (4, 4, 4)),
        ([0.0] * 15 + [1, 2, 3, 4, 5, 6], ("0.0 to 0.0 dB", "1.0 to 6.0 dB"), (15, 6)),
    ],
)
def test_bins_are_named_by_their_range(numbers: list[float], bins: tuple[str, ...], clips: tuple[int, ...]) -> None:
    numerator = np.array(numbers)[None] + 1.0
    sample = Sample(numerator, np.ones_like(numerator), np.arange(numerator.shape[1]))
    paired = PairedScores("c", VALUE, ("one",), tuple(map(str, range(numerator.shape[1]))), sample, "clip")
    clip_facts: dict[str, Facts] = {
        f"c/{index}": {"SNR": Quantity(number, "dB", 1)} for index, number in enumerate(numbers)
    }
    [breakdown] = breakdowns(paired, clip_facts)
    assert breakdown.bins == bins
    assert breakdown.clips == clips


def test_a_factor_that_does_not_vary_among_known_scores_explains_nothing() -> None:
    numbers = np.array([0.7] * 7 + [0.9] * 3)
    factor = Factor("T60", ("0.70 s", "0.90 s"), np.repeat([0, 1], [7, 3]), numbers)
    values = np.r_[np.random.default_rng(0).normal(size=7), np.full(3, np.nan)]
    assert explained(factor, values) is None


def test_a_bin_shows_on_how_many_of_its_clips_a_system_has_a_value() -> None:
    paired, clip_facts = two_systems(slope=0.02)
    paired.sample.numerator[1, 5:] = np.nan
    tables = breakdown_tables([paired], clip_facts)
    table = next(table for breakdown, table in tables if breakdown.factor == "SNR")
    assert not any("(n=" in cell for cell in table.rows[0])
    assert any("(n=" in cell for cell in table.rows[1])


def test_a_board_in_words(tmp_path: Path) -> None:
    """The sentence says that a system is significantly better, or that eight clips are too few for this."""
    plan = make_plan(load_suite("demo"), ["unprocessed", "spectral-gate", "wpe", "target"], ["lsd", "stoi"], limit=8)
    board = board_of_plan(plan, execute(plan, tmp_path / "s", workers=2))
    [lsd] = in_words(board)
    close = "is ahead, but on 8 clips it is not significantly better than spectral-gate; unprocessed has"
    assert re.match(rf"LSD: wpe \(\d\.\d{{3}}\) {close} \d\.\d{{3}}", lsd)
    assert "target" not in lsd, "anchors are not ranked"
    alone = make_plan(load_suite("demo"), ["unprocessed", "target"], ["lsd"], limit=3)
    assert in_words(board_of_plan(alone, execute(alone, tmp_path / "t", workers=2))) == []


def test_a_sentence_claims_no_more_than_the_tests() -> None:
    """A system with the best mean is no winner if it is tied: the sentence names the other tied systems."""
    apart = _sentence(placed(scores((2.0, 3.0, 1.0, 0.0, 0.0))))
    assert re.match(r"V: good \(\d\.\d\d\) is significantly better than every other ranked system$", apart)
    close = _sentence(placed(scores((2.0, 1.0, 1.0, 0.0, 0.0))))
    assert re.match(
        r"V: (good|alike) .* is ahead, but on 40 clips it is not significantly better than (good|alike)$", close
    )
    ranking = placed(scores((2.0, 3.0, 1.0, 0.0, 0.0)))
    entries = dict(ranking.entries) | {"good": replace(ranking.entries["good"], winner=False, ties="a")}
    entries["alike"] = replace(ranking.entries["alike"], rank=(2, 2), ties="a")
    assert _sentence(replace(ranking, entries=entries)).endswith("not significantly better than alike")


def test_a_sentence_says_when_unprocessed_is_better_and_names_the_nearest_first() -> None:
    ranking = placed(scores((2.0, 3.0, 1.0, 0.0, 0.0)))
    best = ranking.entries["good"]
    entries = {
        name: replace(best, cell=replace(best.cell, value=value), winner=False, ties="a")
        for name, value in (("best", 3.0), ("far", 1.0), ("near", 2.5))
    }
    degraded = replace(best, rank=None, cell=replace(best.cell, value=3.5))
    sentence = _sentence(replace(ranking, entries={"unprocessed": degraded, **entries}))
    assert sentence.endswith("not significantly better than near, far; unprocessed has 3.50")
    worse = replace(degraded, cell=replace(best.cell, value=2.9))
    assert "unprocessed" not in _sentence(replace(ranking, entries={"unprocessed": worse, **entries}))


def test_a_pipe_gets_stars_where_a_terminal_gets_bold_type() -> None:
    table = Table("t", ("system", "OVL"), (("a", "1.0"), ("b", "2.0")), ("bold: better than a",), frozenset({(1, 1)}))
    text = terminal([table])
    assert "2.0*" in text
    assert "1.0*" not in text
    assert "*: better than a" in text
