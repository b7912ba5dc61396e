"""Sensitivity of metrics to fixed changes of a sound, compared with closed forms where these exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from restorebench.benchmark.components import metric_card
from restorebench.benchmark.conformance.sensitivity import CHANGES, DASH, _reduced, sensitivities, table
from restorebench.benchmark.contracts import Clip, Subject
from restorebench.benchmark.run.scoring import metric
from restorebench.benchmark.types import Audio, Outcome
from tests.conftest import Cli

SOUND = Audio(np.random.default_rng(0).normal(scale=0.1, size=16_000).astype(np.float32), 16_000)


def test_each_change_does_what_its_name_says() -> None:
    changed = {name: change(SOUND) for name, change in CHANGES.items()}
    rms = {name: float(np.sqrt(np.mean(np.square(sound.samples)))) for name, sound in changed.items()}
    original_rms = float(np.sqrt(np.mean(np.square(SOUND.samples))))
    assert 20 * np.log10(rms["6 dB lower"] / original_rms) == pytest.approx(-6, abs=1e-3)
    assert 20 * np.log10(rms["6 dB higher"] / original_rms) == pytest.approx(6, abs=1e-3)
    for name, samples in (("1 ms late", 16), ("20 ms late", 320)):
        assert not changed[name].samples[:samples].any()
        assert np.array_equal(changed[name].samples[samples:], SOUND.samples[:-samples])
    assert (changed["at 48 kHz"].rate, len(changed["at 48 kHz"].samples)) == (48_000, 48_000)
    assert len(changed["1 s of silence after"].samples) == 2 * len(changed["second half gone"].samples) * 2 == 32_000


def test_the_effect_of_a_gain_on_lsd_and_si_sdr_is_known() -> None:
    """A gain does not change SI-SDR. A gain of 6 dB changes LSD by at most 0.6 (log10 of power)."""
    by_value_name = {
        sensitivity.value.name: sensitivity for sensitivity in sensitivities(["lsd", "si_sdr"], clips=2)[0]
    }
    assert by_value_name["si_sdr"].changes["6 dB lower"] == pytest.approx(0, abs=1e-4)
    assert (by_value_name["si_sdr"].changes["20 ms late"] or 0) < -10
    assert 0 < abs(by_value_name["lsd"].changes["6 dB lower"] or 0) <= 0.6 + 1e-6
    assert by_value_name["lsd"].changes["second half gone"] is None
    assert "wanted the same length" in by_value_name["lsd"].why["second half gone"]


def test_the_table_says_what_was_refused_and_what_was_not_measured() -> None:
    shown = table(sensitivities(["lsd", "stoi"], clips=1)[0], {"rtf": "it times a system"}, clips=1)
    assert shown.notes[0].startswith("change on 1 degraded clips of the suite demo;")
    assert [row[0] for row in shown.rows] == ["lsd", "stoi"]
    assert shown.rows[0][2 + list(CHANGES).index("second half gone")] == DASH
    assert any(note.startswith("no value of lsd, stoi for second half gone: ") for note in shown.notes)
    assert "not measured: rtf: it times a system" in shown.notes


def test_a_rate_is_pooled_as_on_a_board() -> None:
    """Errors of all clips over words of all clips: 1 of 2 and 1 of 8 give 20 %, not the mean of 50 % and 12.5 %."""
    rate = next(value for value in metric_card("wer@pocketsphinx").values if value.reduction == "rate")
    clips = [Outcome(50.0, {"errors": 1, "total": 2}), Outcome(12.5, {"errors": 1, "total": 8})]
    assert _reduced(rate, clips) == pytest.approx(20.0)
    assert _reduced(rate, [*clips, Outcome(None, why="silent")]) == "silent"
    assert _reduced(rate, [Outcome(0.0, {"errors": 0, "total": 0})]) == "there is nothing to count"
    assert _reduced(metric_card("lsd").values[0], [Outcome(1.0), Outcome(2.0)]) == 1.5


def test_only_metrics_have_a_sensitivity(cli: Cli) -> None:
    wrong = cli("list", "systems", "--sensitivity")
    assert wrong.returncode == 2
    assert "restorebench list metrics --sensitivity" in wrong.stderr


def test_a_metric_that_fails_removes_no_row_of_another_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """For example, a Mandarin recogniser refuses the bundled English clips."""
    metrics = {"broken": Broken(), "lsd": metric("lsd")}
    monkeypatch.setattr("restorebench.benchmark.conformance.sensitivity.metric", metrics.__getitem__)
    measured, why = sensitivities(["broken", "lsd"], clips=1)
    assert [sensitivity.value.name for sensitivity in measured] == ["lsd"]
    assert "listens for 'zh'" in why["broken"]


class Broken:
    card = metric_card("lsd").model_copy(update={"name": "broken"})

    def prepare(self, subject: Subject) -> None:
        raise ValueError("broken listens for 'zh'; this clip is 'en'")

    def score(self, prepared: None, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        raise AssertionError
