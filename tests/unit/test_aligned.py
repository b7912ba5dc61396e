"""The board reports a delay against the reference and the values that it affects; aligned values ignore the delay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import restorebench as rb
from restorebench.benchmark.contracts import Subject
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.types import Audio, FloatArray
from restorebench.reports.html.page import _failed
from restorebench.reports.tables.board import notes

NOISE = """
name = "noisy"
version = 1
summary = "noise alone"
metrics = ["si_sdr"]
systems = ["unprocessed"]
corpus = { reader = "demo" }
[[condition]]
name = "noise"
corruption = "noise"
options = { snr_db = [15, 15] }
"""


def delayed(clip: Audio, samples: int) -> Audio:
    moved = np.roll(clip.samples, samples)
    return Audio(moved.astype(np.float32), clip.rate)


def noisy(clip: Audio) -> Audio:
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(clip.samples)) * np.abs(clip.samples).max()
    return Audio((clip.samples + noise).astype(np.float32), clip.rate)


def value(name: str, reference: Audio, estimate: Audio) -> float:
    [outcomes] = score(metric(name), Subject(reference=SharedClip(reference)), [SharedClip(estimate)])
    measured = outcomes[name].value
    assert measured is not None, outcomes[name].why
    return measured


@pytest.mark.parametrize("samples", [-160, 16, 384])
@pytest.mark.parametrize("name", ["si_sdr", "stoi", "lsd"])
def test_an_aligned_value_ignores_a_delay(name: str, samples: int, speech: Audio) -> None:
    estimate = noisy(speech)
    plain = value(name, speech, estimate)
    assert value(f"{name}@aligned", speech, estimate) == plain, "there is no delay to remove"
    late = delayed(estimate, samples)
    delayed_value = value(name, speech, late)
    assert delayed_value < plain if name != "lsd" else delayed_value > plain
    tolerance = 0.01 if name == "stoi" else 0.3
    assert value(f"{name}@aligned", speech, late) == pytest.approx(plain, abs=tolerance)


def test_the_board_reports_a_delay(tmp_path: Path) -> None:
    def late(samples: FloatArray, rate: int) -> FloatArray:
        return np.pad(samples, (round(0.002 * rate), 0))[: len(samples)]

    (tmp_path / "s.toml").write_text(NOISE)
    results = rb.evaluate(
        {"late": late}, str(tmp_path / "s.toml"), store=tmp_path / "s", metrics=["si_sdr", "lsd@aligned"], limit=2
    )
    assert results.summary.delays == {"late": pytest.approx(2.0, abs=0.05)}
    assert _failed(results.summary, "late") == ["2 ms late"]
    assert _failed(replace(results.summary, delays={"late": -3.0}), "late") == ["3 ms early"]
    assert _failed(results.summary, "target") == []
    [note] = [note for note in notes(results.summary) if note.startswith("late: ")]
    assert note.startswith("late: 2 ms late against the reference (median over clips); it affects SI-SDR, LSD aligned")
