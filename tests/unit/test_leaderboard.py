"""Winners only where they are sure, ties where nothing separates, holes and anchors unranked; breakdowns add up."""

from __future__ import annotations

import numpy as np
import pytest

from restorebench.benchmark.contracts import SystemCard, Value
from restorebench.benchmark.samples import Scores
from restorebench.benchmark.stats import Draws, Sample
from restorebench.benchmark.types import Recipe, Trial, Utterance
from restorebench.reports.breakdown import breakdowns, explained, factors
from restorebench.reports.leaderboard import column

VALUE = Value(name="v", label="V", unit="MOS", direction="higher")
SYSTEMS = ("target", "good", "alike", "bad", "holed")
CARDS = {
    name: SystemCard(name=name, version=1, summary="", source="", kind="anchor" if name == "target" else "system")
    for name in SYSTEMS
}


def scores(shifts: tuple[float, ...], clips: int = 40) -> Scores:
    rng = np.random.default_rng(0)
    base = rng.normal(3, 0.5, clips)
    over = np.stack([base + shift + rng.normal(0, 0.1, clips) for shift in shifts])
    over[4, 3] = np.nan
    sample = Sample(over, np.where(np.isnan(over), np.nan, 1.0), np.arange(clips))
    return Scores("c", VALUE, SYSTEMS, tuple(map(str, range(clips))), sample, "clip")


def test_a_tie_has_no_winner() -> None:
    made = column(scores((2.0, 1.0, 1.0, 0.0, 5.0)), CARDS, Draws("x")).entries
    assert made["good"].ties == made["alike"].ties == "a"
    assert made["bad"].ties == "b"
    assert not any(entry.winner for entry in made.values())
    assert made["bad"].rank == (3, 3)
    assert made["good"].rank == (1, 2)
    assert made["target"].rank is None
    assert made["holed"].rank is None
    assert (made["holed"].n, made["holed"].planned) == (39, 40)


def test_a_sure_winner_is_one() -> None:
    made = column(scores((2.0, 1.0, 0.5, 0.0, 5.0)), CARDS, Draws("x")).entries
    assert [name for name, entry in made.items() if entry.winner] == ["good"]
    assert made["good"].low is not None
    assert made["good"].high is not None
    assert made["good"].low < (made["good"].value or 0) < made["good"].high


def test_what_a_recipe_says_of_a_clip() -> None:
    recipe = Recipe(
        "voicefixer",
        (
            {"name": "clip", "ratio": 0.25}, {"name": "reverb", "rir": {"kind": "room", "t60_s": 0.5}},
            {"name": "lowpass", "cutoff_hz": 4000.0}, {"name": "noise", "snr_db": 5.0},
        ),
    )  # fmt: skip
    trial = Trial("s", "c", Utterance(id="a", uri=None), recipe, "k")
    assert factors(trial, 2.0) == {"duration": 2.0, "clip ratio": 0.25, "T60": 0.5, "bandwidth": 4000.0, "SNR": 5.0}


def test_bins_hold_every_clip_once_and_the_factor_that_matters_explains() -> None:
    clips = 60
    snr = np.random.default_rng(1).uniform(-5, 20, clips)
    over = (3 + 0.05 * snr)[None]
    sample = Sample(over, np.ones((1, clips)), np.arange(clips))
    one = Scores("c", VALUE, ("one",), tuple(map(str, range(clips))), sample, "clip")
    facts = {str(place): {"SNR": float(number), "T60": 0.5} for place, number in enumerate(snr)}
    [found] = breakdowns(one, facts)
    assert found.factor == "SNR"
    assert sum(found.clips) == clips
    assert max(found.clips) - min(found.clips) <= 1
    means = found.means["one"]
    assert all(mean is not None for mean in means)
    assert sorted(means) == list(means)  # type: ignore[type-var]
    assert found.explained["one"] == pytest.approx(1.0)
    assert explained(snr, np.random.default_rng(2).normal(size=clips)) < 0.2
