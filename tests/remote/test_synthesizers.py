"""Zero-shot TTS through its owner's package: the true class with random weights in the official format.

Random weights say nothing; the tests are of loading, prompts, seeds and the way into a store.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.contracts import SpeechRequest
from restorebench.benchmark.isolation import environments
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.types import Audio
from restorebench.systems.synthesizers.pocket_tts import PocketTts
from tests.conftest import Cli

pytestmark = pytest.mark.environments
SCRIPT = Path(__file__).with_name("make_pocket.py")


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketTts]:
    mirror = tmp_path_factory.mktemp("mirror")
    python = environments.require(Environment(PocketTts.card.environment))
    subprocess.run([str(python), "-I", str(SCRIPT), str(mirror / "pocket-tts")], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTOREBENCH_WEIGHTS", str(mirror))
        patch.setenv("RESTOREBENCH_OFFLINE", "1")
        made = PocketTts()
        yield made
        made.remote.close()


@pytest.fixture
def request_(speech: Audio) -> SpeechRequest:
    return SpeechRequest(speech, "what is said", "The birch canoe slid on the planks.", "en", seed=7)


def test_equal_requests_give_equal_samples(pocket: PocketTts, request_: SpeechRequest) -> None:
    first, again, other = pocket.synthesize([request_, request_, replace(request_, seed=8)])
    assert first.rate == 24_000
    assert first.samples.any()
    assert np.isfinite(first.samples).all()
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples[:2400], other.samples[:2400])


def test_another_prompt_is_another_voice(pocket: PocketTts, request_: SpeechRequest) -> None:
    backwards = Audio(request_.prompt.samples[::-1].copy(), request_.prompt.rate)
    first, other = pocket.synthesize([request_, replace(request_, prompt=backwards)])
    assert not np.array_equal(first.samples[:2400], other.samples[:2400])


def test_it_lands_in_the_store(pocket: PocketTts, cli: Cli, tmp_path: Path) -> None:
    names = ("--systems", "unprocessed,target", "--metrics", "dnsmos", "--limit", "1")
    done = cli("run", "demo-tts", "--synthesizer", "pocket-tts", *names, "--store", "s")
    assert done.returncode == 0, done.stderr
    assert ",unprocessed,0,dnsmos," in (tmp_path / "s" / "records.csv").read_text()
