"""Winners only where they are sure, ties where nothing separates, holes and anchors unranked; breakdowns add up."""

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


def placed(found: PairedScores) -> Column:
    clips = len(found.clips)
    cells = {}
    for row, system in enumerate(found.systems):
        n = int(np.isfinite(found.sample.numerator[row]).sum())
        low_high = found.summary(system)
        cells[system] = Cell("s", "c", system, "v", "v@1", *low_high, n, clips)
    return column(found, cells, CARDS)


def test_a_tie_has_no_winner() -> None:
    made = placed(scores((2.0, 1.0, 1.0, 0.0, 5.0))).entries
    assert made["good"].ties == made["alike"].ties == "a"
    assert made["bad"].ties == "b"
    assert not any(entry.winner for entry in made.values())
    assert made["bad"].rank == (3, 3)
    assert made["good"].rank == (1, 2)
    assert made["target"].rank is None
    assert made["holed"].rank is None
    assert (made["holed"].cell.n, made["holed"].cell.planned) == (39, 40)


def test_a_sure_winner_is_one() -> None:
    made = placed(scores((2.0, 1.0, 0.5, 0.0, 5.0))).entries
    assert [name for name, entry in made.items() if entry.winner] == ["good"]
    cell = made["good"].cell
    assert cell.low is not None
    assert cell.high is not None
    assert cell.low < (cell.value or 0) < cell.high


@pytest.mark.parametrize("clips", [12, 40])
def test_the_detectable_difference_is_found_in_80_of_100_tables(clips: int) -> None:
    """Its definition, by simulation, under the board's own correction: two systems that lie just so far apart."""
    claimed = placed(scores((2.0, 1.0, 1.0, 1.0, 1.0), clips)).detectable
    assert claimed is not None
    found = []
    for seed in range(150):
        own = np.random.default_rng(seed).normal(0, 0.1, (5, clips))
        sample = Sample(
            own + np.array([[9.0], [0.0], [claimed], [-9.0], [-18.0]]), np.ones((5, clips)), np.arange(clips)
        )
        table = PairedScores("c", VALUE, SYSTEMS, tuple(map(str, range(clips))), sample, "clip")
        tested = table.difference("good", "alike")
        found.append(tested is not None and tested.separated)
    # The claim is for the hardest of the ten pairs; Holm's step helps here, where all other pairs are separated.
    assert 0.75 <= np.mean(found) <= 0.99


def test_too_few_clips_can_show_no_difference() -> None:
    """Five clips have no p below 0.0625, whatever they differ by."""
    made = placed(scores((2.0, 1.0, 0.0, -1.0, 1.0), 5))
    assert made.detectable is None
    assert not any(entry.winner for entry in made.entries.values())


def test_cost_is_not_tested() -> None:
    """A batch's clips share one measurement: twelve clips are two."""
    speed = VALUE.model_copy(update={"role": "speed"})
    made = placed(replace(scores((2.0, 1.0, 0.5, 0.0, 5.0)), value=speed))
    assert all(entry.rank is None and not entry.winner and entry.cell.low is None for entry in made.entries.values())
    assert made.entries["good"].cell.value is not None


def test_what_a_recipe_says_of_a_clip() -> None:
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


def test_bins_hold_every_clip_once_and_the_factor_that_matters_explains() -> None:
    clips = 60
    snr = np.random.default_rng(1).uniform(-5, 20, clips)
    numerator = (3 + 0.05 * snr)[None]
    sample = Sample(numerator, np.ones((1, clips)), np.arange(clips))
    one = PairedScores("c", VALUE, ("one",), tuple(map(str, range(clips))), sample, "clip")
    facts: dict[str, Facts] = {
        f"c/{place}": {"SNR": Quantity(x, "dB", 1), "T60": Quantity(0.5, "s", 2)} for place, x in enumerate(snr)
    }
    [found] = breakdowns(one, facts)
    assert found.factor == "SNR"
    assert sum(found.clips) == clips
    assert max(found.clips) - min(found.clips) <= 1
    means = found.means["one"]
    assert all(mean is not None for mean in means)
    assert sorted(means) == list(means)  # type: ignore[type-var]
    assert found.explained["one"].share == pytest.approx(1.0)
    assert found.explained["one"].p < 1e-9


def two(slope: float, voices: float = 0.0) -> tuple[PairedScores, dict[str, Facts]]:
    """Two systems; what they differ by depends on the SNR and on the speaker, twelve of whom have ten clips each."""
    rng = np.random.default_rng(3)
    clips = 120
    snr, speaker = rng.uniform(-5, 20, clips), np.arange(clips) % 12
    base = rng.normal(3, 0.5, clips)
    gap = 0.2 + slope * snr + voices * (speaker == 7) + rng.normal(0, 0.1, clips)
    sample = Sample(np.stack([base + gap, base]), np.ones((2, clips)), np.arange(clips))
    facts: dict[str, Facts] = {
        f"c/{n}": {"SNR": Quantity(snr[n], "dB", 1), "speaker": f"p{speaker[n]:02d}"} for n in range(clips)
    }
    return PairedScores("c", VALUE, ("a", "b"), tuple(map(str, range(clips))), sample, "clip"), facts


def test_the_factor_behind_a_gap_is_named() -> None:
    found, facts = two(slope=0.02)
    snr, speaker = gaps(found, facts, "a", "b")
    assert (snr.factor, speaker.factor) == ("SNR", "speaker")
    assert snr.explained.share == pytest.approx(0.02**2 * 52 / (0.02**2 * 52 + 0.01), abs=0.1)
    assert [d for d in snr.differences if d is not None] == sorted(d for d in snr.differences if d is not None)
    [row] = significant_rows([(found, "a - b", gap) for gap in (snr, speaker)])
    assert row[:3] == ("V", "a - b", "SNR")
    assert "+0" in row[5]
    assert " dB" in row[5]


def test_a_speaker_behind_a_gap_is_among_those_shown() -> None:
    found, facts = two(slope=0.0, voices=1.0)
    snr, speaker = gaps(found, facts, "a", "b")
    assert speaker.explained.share > 0.8
    assert len(speaker.bins) == 8, "the worst four and the best four of twelve"
    assert speaker.bins[-1] == "p07"
    assert speaker.differences[-1] == pytest.approx(1.2, abs=0.1)
    assert significant_rows([(found, "", snr)]) == ()


def test_nothing_is_explained_where_nothing_differs_or_nothing_is_known() -> None:
    found, facts = two(slope=0.0)
    assert significant_rows([(found, "", gap) for gap in gaps(found, facts, "a", "b")]) == ()
    assert {gap.explained for gap in gaps(found, facts, "a", "a")} == {None}
    assert gaps(found, {}, "a", "b") == []


def test_speakers_with_a_clip_each_are_no_factor() -> None:
    found, facts = two(slope=0.0)
    alone: dict[str, Facts] = {clip: {"speaker": clip} for clip in facts}
    assert gaps(found, alone, "a", "b") == []


def test_a_factor_that_means_nothing_is_seldom_named() -> None:
    """The F test's error over 400 random factors."""
    found, _ = two(slope=0.0)
    rng = np.random.default_rng(9)
    named = 0
    for _ in range(400):
        facts: dict[str, Facts] = {f"c/{clip}": {"SNR": Quantity(rng.normal(), "dB", 1)} for clip in found.clips}
        [gap] = gaps(found, facts, "a", "b")
        named += gap.explained.p < 0.05
    assert 8 <= named <= 33


def test_a_clip_that_nobody_has_a_value_for_unranks_nobody() -> None:
    found = scores((2.0, 1.0, 0.5, 0.0, 5.0))
    found.sample.numerator[:, 7] = np.nan
    made = placed(found).entries
    assert made["good"].rank == (1, 1)
    assert made["good"].winner
    assert made["holed"].rank is None, "it has a hole of its own"


@pytest.mark.parametrize(
    ("numbers", "bins", "clips"),
    [
        ([0.0] * 10 + [20.0] * 10, ("0.0 dB", "20.0 dB"), (10, 10)),
        ([0.0, 5.0, 10.0, 15.0] * 5, ("0.0 dB", "5.0 dB", "10.0 dB", "15.0 dB"), (5, 5, 5, 5)),
        (list(range(12)), ("0.0 to 3.0 dB", "4.0 to 7.0 dB", "8.0 to 11.0 dB"), (4, 4, 4)),
        ([0.0] * 15 + [1, 2, 3, 4, 5, 6], ("0.0 to 0.0 dB", "1.0 to 6.0 dB"), (15, 6)),
    ],
)
def test_bins_say_what_they_hold(numbers: list[float], bins: tuple[str, ...], clips: tuple[int, ...]) -> None:
    numerator = np.array(numbers)[None] + 1.0
    sample = Sample(numerator, np.ones_like(numerator), np.arange(numerator.shape[1]))
    one = PairedScores("c", VALUE, ("one",), tuple(map(str, range(numerator.shape[1]))), sample, "clip")
    facts: dict[str, Facts] = {f"c/{place}": {"SNR": Quantity(number, "dB", 1)} for place, number in enumerate(numbers)}
    [found] = breakdowns(one, facts)
    assert found.bins == bins
    assert found.clips == clips


def test_a_factor_that_does_not_vary_among_known_scores_explains_nothing() -> None:
    numbers = np.array([0.7] * 7 + [0.9] * 3)
    factor = Factor("T60", ("0.70 s", "0.90 s"), np.repeat([0, 1], [7, 3]), numbers)
    values = np.r_[np.random.default_rng(0).normal(size=7), np.full(3, np.nan)]
    assert explained(factor, values) is None


def test_a_bin_says_how_many_of_its_clips_a_system_has() -> None:
    found, facts = two(slope=0.02)
    found.sample.numerator[1, 5:] = np.nan
    everything = breakdown_tables([found], facts)
    table = next(table for breakdown, table in everything if breakdown.factor == "SNR")
    assert not any("(n=" in cell for cell in table.rows[0])
    assert any("(n=" in cell for cell in table.rows[1])


def test_a_board_in_words(tmp_path: Path) -> None:
    """Eight clips separate what is far apart, and say so; what they cannot separate is named."""
    plan = make_plan(load_suite("demo"), ["unprocessed", "spectral-gate", "wpe", "target"], ["lsd", "stoi"], limit=8)
    board = board_of_plan(plan, execute(plan, tmp_path / "s", workers=2))
    [lsd] = in_words(board)
    assert re.match(r"LSD: [\w-]+ \(\d\.\d{3}\) is (significantly better than every other|ahead, but 8 clips)", lsd)
    assert "target" not in lsd, "anchors are not ranked"
    alone = make_plan(load_suite("demo"), ["unprocessed", "target"], ["lsd"], limit=3)
    assert in_words(board_of_plan(alone, execute(alone, tmp_path / "t", workers=2))) == []


def test_a_sentence_claims_no_more_than_the_tests() -> None:
    """The best score alone is no victory: who shares a letter with it is named."""
    apart = _sentence(placed(scores((2.0, 3.0, 1.0, 0.0, 0.0))))
    assert re.match(r"V: good \(\d\.\d\d\) is significantly better than every other ranked system$", apart)
    close = _sentence(placed(scores((2.0, 1.0, 1.0, 0.0, 0.0))))
    assert re.match(
        r"V: (good|alike) .* is ahead, but on 40 clips it is not significantly better than (good|alike)$", close
    )
    found = placed(scores((2.0, 3.0, 1.0, 0.0, 0.0)))
    entries = dict(found.entries) | {"good": replace(found.entries["good"], winner=False, ties="a")}
    entries["alike"] = replace(found.entries["alike"], rank=(2, 2), ties="a")
    assert _sentence(replace(found, entries=entries)).endswith("not significantly better than alike")


def test_a_sentence_says_when_unprocessed_is_better_and_names_the_nearest_first() -> None:
    found = placed(scores((2.0, 3.0, 1.0, 0.0, 0.0)))
    best = found.entries["good"]
    entries = {
        name: replace(best, cell=replace(best.cell, value=value), winner=False, ties="a")
        for name, value in (("best", 3.0), ("far", 1.0), ("near", 2.5))
    }
    degraded = replace(best, rank=None, cell=replace(best.cell, value=3.5))
    told = _sentence(replace(found, entries={"unprocessed": degraded, **entries}))
    assert told.endswith("not significantly better than near, far; unprocessed has 3.50")
    worse = replace(degraded, cell=replace(best.cell, value=2.9))
    assert "unprocessed" not in _sentence(replace(found, entries={"unprocessed": worse, **entries}))


def test_a_pipe_has_stars_where_a_terminal_has_bold() -> None:
    table = Table("t", ("system", "OVL"), (("a", "1.0"), ("b", "2.0")), ("bold: better than a",), frozenset({(1, 1)}))
    text = terminal([table])
    assert "2.0*" in text
    assert "1.0*" not in text
    assert "*: better than a" in text
