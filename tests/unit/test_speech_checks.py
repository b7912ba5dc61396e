"""The checks of synthesizers report each planted fault by its name, and report nothing without a fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import restorebench as rb
from restorebench.benchmark.conformance.speech_checks import CHECKS, SpeechSubject, check_synthesizer, examine
from restorebench.benchmark.contracts import SpeechRequest, SpeechTrace, SynthesizerCard
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio, FloatArray
from tests.conftest import Cli

RATE = 24_000


class Planted:
    """A synthesizer with one planted fault; it returns noise with the prompt's spectrum, as long as the text needs."""

    card = SynthesizerCard(name="planted", version=1, summary="A fault", source="tests", rate=RATE)

    def __init__(self, fault: str = "") -> None:
        self.fault, self.calls = fault, 0
        self.model_prompts: list[FloatArray] = []

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[Audio]:
        return [self._speech(request) for request in requests]

    def trace(self, request: SpeechRequest) -> SpeechTrace:
        self.model_prompts = []
        self._speech(request)
        return SpeechTrace(Audio(self.model_prompts[0], RATE), len(self.model_prompts))

    def _speech(self, request: SpeechRequest) -> Audio:
        prompt, seed = request.prompt.samples.copy(), request.seed
        if self.fault == "cut":
            prompt = prompt[: 12 * RATE]
        elif self.fault == "clipped":
            prompt = np.clip(prompt, -1, 1)
        elif self.fault == "level":
            prompt = prompt * np.float32(0.1 / np.sqrt(np.mean(prompt**2)))
        elif self.fault == "denoised":
            spectrum = np.fft.rfft(prompt)
            spectrum[np.abs(spectrum) < 2 * np.median(np.abs(spectrum))] = 0
            prompt = np.fft.irfft(spectrum, len(prompt)).astype(np.float32)
        elif self.fault == "prompt":
            prompt = np.ones_like(prompt)
        elif self.fault == "input":
            request.prompt.samples[:] = 0
        elif self.fault == "seed":
            seed = np.random.default_rng().integers(1 << 30)
        elif self.fault == "batch":
            self.calls += 1
            seed += self.calls
        speech = self._model(prompt, request.text, int(seed))
        if self.fault == "retries" and np.abs(np.fft.rfft(prompt)[len(prompt) // 4 :]).mean() > 1:
            speech = self._model(prompt, request.text, int(seed) + 1)
        if self.fault == "empty" and "fish" in request.text:
            speech = 0 * speech
        elif self.fault == "length":
            speech = speech[: len(speech) // 8]
        elif self.fault == "finite":
            speech[-1] = np.nan
        return Audio(speech, 22_050 if self.fault == "rate" else RATE)

    def _model(self, prompt: FloatArray, text: str, seed: int) -> FloatArray:
        self.model_prompts.append(prompt)
        spectrum = np.abs(np.fft.rfft(prompt[: 2 * RATE], 2 * RATE))
        phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(spectrum))
        noise = np.fft.irfft(spectrum * np.exp(1j * phase))
        return np.resize(noise / np.abs(noise).max(), round(0.07 * RATE * len(text))).astype(np.float32)


def faults(synthesizer: Planted) -> set[str]:
    subject = SpeechSubject(synthesizer)
    return {f.check for f in (examine(subject, name) for name in CHECKS) if f.verdict == "fault"}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", set()), ("cut", {"cut"}), ("clipped", {"clipped"}), ("level", {"clipped", "denoised"}),
        ("denoised", {"denoised", "clipped"}), ("prompt", {"prompt", "clipped", "denoised"}), ("retries", {"retries"}),
        ("seed", {"seed", "batch"}), ("empty", {"empty"}), ("length", {"length"}), ("finite", {"finite"}),
        ("rate", {"rate"}), ("input", {"input"}), ("batch", {"seed", "batch"}),
    ],
)  # fmt: skip
def test_a_planted_fault_is_reported_by_its_name(fault: str, expected: set[str]) -> None:
    """Faults include a cut, clipped, denoised or ignored prompt, hidden retries, an ignored seed and empty speech."""
    assert faults(Planted(fault)) == expected


def test_a_change_that_the_card_declares_is_no_fault() -> None:
    declared = Planted("cut")
    declared.card = declared.card.model_copy(update={"prompt_changes": {"cut": "cut at 12 s"}})
    finding = examine(SpeechSubject(declared), "cut")
    assert finding.verdict == "ok"
    assert "+3.00 s of 15 s are missing; its card says: cut at 12 s" in finding.seen
    other = Planted("clipped")
    other.card = declared.card
    assert examine(SpeechSubject(other), "clipped").verdict == "fault", "its card declares a different change"


def test_without_a_trace_four_checks_have_no_verdict() -> None:
    class Untraced:
        card = Planted.card

        def synthesize(self, requests: Sequence[SpeechRequest]) -> list[Audio]:
            return Planted("cut").synthesize(requests)

    [findings] = check_synthesizer(Untraced()).findings.values()
    assert {f.check for f in findings if f.verdict == "not told"} == {"cut", "clipped", "denoised", "retries"}
    assert all("trace(request)" in f.seen for f in findings if f.verdict == "not told")


def test_a_control_must_ignore_the_prompt() -> None:
    dependent = Planted()
    dependent.card = dependent.card.model_copy(update={"clones": False})
    assert faults(dependent) == {"prompt"}
    assert "a control whose speech depends on the prompt" in examine(SpeechSubject(dependent), "prompt").seen


def test_a_language_without_test_sentences_is_refused() -> None:
    foreign = Planted()
    foreign.card = foreign.card.model_copy(update={"languages": ("fr",)})
    with pytest.raises(RequestError, match="planted speaks fr; a synthesizer can be checked in en, zh"):
        rb.check_system(foreign)


def test_check_system_reports_the_faults_of_a_synthesizer(cli: Cli, toy_plugin: dict[str, str]) -> None:
    done = cli("check-system", "toy-shy", env=toy_plugin)
    assert done.returncode == 1
    assert "it fails: " in done.stdout
    assert "toy-shy: " in done.stderr


def test_the_pytest_fixture_fails_for_a_fault_that_is_not_allowed(restorebench_check: Callable[..., None]) -> None:
    restorebench_check(Planted())
    restorebench_check(Planted("cut"), allow=("cut",))
    with pytest.raises(pytest.fail.Exception, match=r"retries at 24000 Hz: its model ran 2 times for one sentence"):
        restorebench_check(Planted("retries"))


def test_our_own_synthesizer_passes_all_checks(tmp_path: Path) -> None:
    """Its weights are random; the length of its speech follows from the speaking rate of the prompt."""
    pytest.importorskip("dac", reason="needs the extra `dac`")
    from tests.tiny import random_tts

    file = random_tts(tmp_path / "tts.safetensors", tokenizer={"random": {"frames": {"width": 32}}})
    checked = rb.check_system(f"sise-tts@{file}")
    assert not checked.faults, [f"{fault.check}: {fault.seen}" for fault in checked.faults]
    assert {finding.verdict for finding in checked.findings[16_000]} == {"ok"}
