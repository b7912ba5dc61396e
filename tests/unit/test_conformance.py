"""The conformance suite finds planted faults, each by its name, and finds nothing in systems that have none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import restorebench as rb
from restorebench.benchmark.conformance import check_system as suite
from restorebench.benchmark.conformance import sounds
from restorebench.benchmark.conformance.checks import CHECKS, Subject, examine
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.keys import system_identity
from restorebench.benchmark.run.alignment import align
from restorebench.benchmark.run.restore import restore_audio
from restorebench.benchmark.types import Audio, Trial, Utterance
from tests.conftest import Cli

RATE = 16_000
Restore = Callable[[Sequence[Audio]], list[Audio]]


class Planted:
    """Returns its input with one planted fault."""

    card = SystemCard(name="planted", version=1, summary="A fault", source="tests", rate=RATE)

    def __init__(self, fault: str) -> None:
        self.fault, self.previous, self.retained = fault, np.zeros(RATE, np.float32), []  # type: ignore[var-annotated]

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [self._restore_one(audio) for audio in batch]

    def _restore_one(self, audio: Audio) -> Audio:
        x, rate = audio.samples.copy(), audio.rate
        if self.fault == "delay":
            x = np.concatenate([np.zeros(160, np.float32), x])[: len(x)]
        elif self.fault == "gain":
            x *= 0.5
        elif self.fault == "polarity":
            x = -x
        elif self.fault == "tail":
            x[-400:] = 0
        elif self.fault == "length":
            x = np.pad(x, (0, 300))
        elif self.fault == "rate":
            rate = 8_000
        elif self.fault == "finite" and not np.any(x):
            x[:] = np.nan
        elif self.fault == "state":
            before, self.previous = self.previous, x
            x = x + np.float32(0.01) * np.resize(before, len(x))
        elif self.fault == "short" and len(x) < RATE // 5:
            raise ValueError("needs a whole window")
        elif self.fault == "silence":
            x = x + np.random.default_rng(0).normal(scale=0.02, size=len(x)).astype(np.float32)
        elif self.fault == "dc":
            x = x + np.float32(0.01)
        elif self.fault == "clipping":
            x = np.clip(x, -1, 1)
        elif self.fault == "input":
            audio.samples[:] = 0
        elif self.fault == "memory":
            self.retained.append(np.ones(1_000_000))
        elif self.fault == "repeatable":
            x = x + np.float32(1e-3) * np.random.default_rng().normal(size=len(x)).astype(np.float32)
        return Audio(x, rate)


def faults(system: Planted) -> set[str]:
    return {f.check for f in (examine(Subject(system, RATE), name) for name in CHECKS) if f.verdict == "fault"}


@pytest.mark.parametrize(
    ("fault", "also"),
    [
        ("delay", {"tail"}), ("gain", set()), ("polarity", set()), ("tail", set()), ("length", {"short"}),
        ("rate", set()), ("finite", set()), ("state", {"repeatable", "batch"}), ("short", set()),
        ("silence", set()), ("dc", set()), ("clipping", set()), ("input", set()), ("memory", set()),
        ("repeatable", {"batch", "state"}),
    ],
)  # fmt: skip
def test_a_planted_fault_is_reported_by_its_name(fault: str, also: set[str]) -> None:
    """`also`: names of other checks that the fault may fail too."""
    reported = faults(Planted(fault))
    assert fault in reported
    assert reported <= {fault, *also}


def test_a_result_that_depends_on_the_batch_is_a_fault() -> None:
    """Each clip is scaled to the mean level of the batch, as a joint normalisation does."""

    class Joint(Planted):
        def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
            level = np.float32(np.mean([np.abs(audio.samples).mean() for audio in batch]))
            return [Audio(audio.samples * (level / np.abs(audio.samples).mean()), audio.rate)
                    if np.any(audio.samples) else audio for audio in batch]  # fmt: skip

    assert faults(Joint("none")) == {"batch"}


def test_no_fault_is_reported_for_a_system_without_faults() -> None:
    report = rb.check_system(lambda samples, rate: samples, rate=RATE)
    assert not report.faults
    assert [finding.check for finding in report.findings[RATE]] == [*CHECKS, "long"]
    assert {finding.verdict for finding in report.findings[RATE]} == {"ok"}


def test_a_delay_that_the_card_states_is_removed_and_mentioned() -> None:
    delayed = Planted("delay")
    delayed.card = delayed.card.model_copy(update={"delay_s": 0.01})
    assert not faults(delayed)
    assert "after the 10 ms that its card states" in examine(Subject(delayed, RATE), "delay").seen
    speech = Audio(sounds.speech(RATE), RATE)
    assert np.array_equal(restore_audio(delayed, speech, 0)[0].samples, speech.samples), "up to the last sample"
    assert "|delay=0.01s" in system_identity(delayed, Trial("s", "c", Utterance(id="x", uri="x.wav"), None, "key"))


def test_regenerated_speech_is_aligned_by_its_envelope() -> None:
    """Noise with the envelope of speech has no phase in common with the speech."""
    speech = sounds.speech(RATE)
    envelope = np.sqrt(np.convolve(speech**2, np.ones(160) / 160, mode="same"))
    shaped_noise = (envelope * np.random.default_rng(0).normal(size=len(speech))).astype(np.float32)
    for delay in (0, 320):
        alignment = align(np.pad(shaped_noise, (delay, 0))[: len(speech)], speech, RATE)
        assert not alignment.exact
        assert alignment.polarity == 0
        assert alignment.delay_s == pytest.approx(delay / RATE, abs=0.004)


def test_the_ten_minute_check_is_skipped_where_it_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "LONG_BUDGET_S", 0.0)
    finding = suite.ten_minutes(Subject(Planted("none"), RATE), always=False)
    assert (finding.verdict, "--long" in finding.seen) == ("not told", True)
    assert suite.ten_minutes(Subject(Planted("none"), RATE), always=True).verdict == "ok"
    assert suite.ten_minutes(Subject(Planted("length"), RATE), always=True).verdict == "fault"


def test_the_command_reports_a_fault_and_refuses_an_anchor(cli: Cli, toy_plugin: dict[str, str]) -> None:
    done = cli("check-system", "toy-short", env=toy_plugin)
    assert done.returncode == 1
    assert "fault" in done.stdout
    assert "toy-short: " in done.stderr
    wrong = cli("check-system", "target")
    assert wrong.returncode == 2
    assert "target is supplied, not run" in wrong.stderr


def test_the_pytest_fixture(restorebench_check: Callable[..., None]) -> None:
    restorebench_check(lambda samples, rate: samples, rate=RATE)
    restorebench_check(lambda samples, rate: 0.25 * samples, rate=RATE, allow=("gain",))
    with pytest.raises(pytest.fail.Exception, match=r"gain at 16000 Hz: -12\.0 dB on clean speech"):
        restorebench_check(lambda samples, rate: 0.25 * samples, rate=RATE)
    with pytest.raises(RequestError, match="no check named 'gian'; did you mean gain"):
        restorebench_check(lambda samples, rate: samples, rate=RATE, allow=("gian",))
