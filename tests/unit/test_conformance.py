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
    """Hands its input back, but for one fault."""

    card = SystemCard(name="planted", version=1, summary="A fault", source="tests", rate=RATE)

    def __init__(self, fault: str) -> None:
        self.fault, self.heard, self.kept = fault, np.zeros(RATE, np.float32), []  # type: ignore[var-annotated]

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [self._one(audio) for audio in batch]

    def _one(self, audio: Audio) -> Audio:
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
            before, self.heard = self.heard, x
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
            self.kept.append(np.ones(1_000_000))
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
def test_a_planted_fault_is_found_by_its_name(fault: str, also: set[str]) -> None:
    """`also`: other names under which it may show, being audible there too."""
    found = faults(Planted(fault))
    assert fault in found
    assert found <= {fault, *also}


def test_a_batch_that_is_not_its_clips() -> None:
    """Levels of a batch are brought to that of its loudest clip, as padding and joint normalisation do."""

    class Joint(Planted):
        def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
            level = np.float32(np.mean([np.abs(audio.samples).mean() for audio in batch]))
            return [Audio(audio.samples * (level / np.abs(audio.samples).mean()), audio.rate)
                    if np.any(audio.samples) else audio for audio in batch]  # fmt: skip

    assert faults(Joint("none")) == {"batch"}


def test_no_fault_is_found_where_there_is_none() -> None:
    found = rb.check_system(lambda samples, rate: samples, rate=RATE)
    assert not found.faults
    assert [finding.check for finding in found.findings[RATE]] == [*CHECKS, "long"]
    assert {finding.verdict for finding in found.findings[RATE]} == {"ok"}


def test_a_delay_that_the_card_states_is_removed_and_told() -> None:
    late = Planted("delay")
    late.card = late.card.model_copy(update={"delay_s": 0.01})
    assert not faults(late)
    assert "after the 10 ms that its card states" in examine(Subject(late, RATE), "delay").seen
    given = Audio(sounds.speech(RATE), RATE)
    assert np.array_equal(restore_audio(late, given, 0)[0].samples, given.samples), "to the last sample"
    assert "|delay=0.01s" in system_identity(late, Trial("s", "c", Utterance(id="x", uri="x.wav"), None, "key"))


def test_speech_that_is_made_anew_is_placed_by_its_loudness() -> None:
    """Noise in the envelope of speech has no phase in common with it."""
    given = sounds.speech(RATE)
    envelope = np.sqrt(np.convolve(given**2, np.ones(160) / 160, mode="same"))
    made = (envelope * np.random.default_rng(0).normal(size=len(given))).astype(np.float32)
    for delay in (0, 320):
        found = align(np.pad(made, (delay, 0))[: len(given)], given, RATE)
        assert not found.exact
        assert found.polarity == 0
        assert found.delay_s == pytest.approx(delay / RATE, abs=0.004)


def test_ten_minutes_are_not_tried_where_they_would_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "LONG_BUDGET_S", 0.0)
    found = suite.ten_minutes(Subject(Planted("none"), RATE), always=False)
    assert (found.verdict, "--long" in found.seen) == ("not told", True)
    assert suite.ten_minutes(Subject(Planted("none"), RATE), always=True).verdict == "ok"
    assert suite.ten_minutes(Subject(Planted("length"), RATE), always=True).verdict == "fault"


def test_the_command(cli: Cli, toy_plugin: dict[str, str]) -> None:
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
