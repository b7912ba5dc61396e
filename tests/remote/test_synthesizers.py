"""Zero-shot TTS through its owner's package: the true class with random weights in the official format.

Random weights produce no intelligible speech; the tests check loading, prompts, seeds and stored scores.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.conformance.speech_checks import check_synthesizer
from restorebench.benchmark.contracts import SpeechRequest
from restorebench.benchmark.isolation import environments
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.types import Audio
from restorebench.systems.synthesizers.isolated import IsolatedSynthesizer, pocket_tts, qwen3_tts
from tests.conftest import Cli

pytestmark = pytest.mark.environments
FOLDER = Path(__file__).parent
CLASSES: dict[str, tuple[IsolatedSynthesizer, str]] = {
    "pocket-tts": (pocket_tts, "make_pocket.py"),
    "qwen3-tts": (qwen3_tts, "make_qwen.py"),
}


@pytest.fixture(scope="module", params=CLASSES)
def cloning(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IsolatedSynthesizer]:
    """The synthesizer, with random weights in a mirror folder in place of the official weights."""
    synthesizer, script = CLASSES[request.param]
    mirror = tmp_path_factory.mktemp("mirror")
    python = environments.require(Environment(synthesizer.card.environment))
    command = [str(python), "-I", str(FOLDER / script), str(mirror / request.param)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTOREBENCH_WEIGHTS", str(mirror))
        patch.setenv("RESTOREBENCH_OFFLINE", "1")
        yield synthesizer
        synthesizer.remote().close()


@pytest.fixture
def request_(speech: Audio) -> SpeechRequest:
    return SpeechRequest(speech, "what is said", "The birch canoe slid on the planks.", "en", seed=7)


def test_equal_requests_give_equal_samples(cloning: IsolatedSynthesizer, request_: SpeechRequest) -> None:
    first, again, other = cloning.synthesize([request_, request_, replace(request_, seed=8)])
    assert first.rate == 24_000
    assert first.samples.any()
    assert np.isfinite(first.samples).all()
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)


def test_another_prompt_gives_other_samples(cloning: IsolatedSynthesizer, request_: SpeechRequest) -> None:
    backwards = Audio(request_.prompt.samples[::-1].copy(), request_.prompt.rate)
    first, other = cloning.synthesize([request_, replace(request_, prompt=backwards)])
    assert not np.array_equal(first.samples, other.samples)


def test_both_languages_are_spoken(cloning: IsolatedSynthesizer, request_: SpeechRequest) -> None:
    for language in cloning.card.languages:
        [spoken] = cloning.synthesize([replace(request_, language=language)])
        assert spoken.samples.any()


def test_the_conformance_checks_find_no_fault(cloning: IsolatedSynthesizer) -> None:
    """Except the checks of length and of empty speech, which random weights cannot pass."""
    checked = check_synthesizer(cloning)
    faults = {fault.check: fault.seen for fault in checked.faults if fault.check not in ("length", "empty")}
    assert not faults
    [findings] = checked.findings.values()
    assert {f.check for f in findings if f.verdict == "not told"} == set()


def test_a_run_stores_its_scores(cloning: IsolatedSynthesizer, cli: Cli, tmp_path: Path) -> None:
    names = ("--systems", "unprocessed,target", "--metrics", "dnsmos", "--limit", "1")
    done = cli("run", "demo-tts", "--synthesizer", cloning.card.name, *names, "--store", "s")
    assert done.returncode == 0, done.stderr
    assert ",unprocessed,0,dnsmos," in (tmp_path / "s" / "records.csv").read_text()
