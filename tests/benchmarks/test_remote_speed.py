"""Isolated workers: the overhead of sending a clip and its result, and Whisper's speed-up in batches (`make bench`)."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from restorebench.benchmark.audio import read
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.isolation import environments
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.isolation.remote import Remote
from restorebench.benchmark.types import FloatArray
from restorebench.metrics import isolated_asr as asr

REMOTE = Path(__file__).parents[1] / "remote"
RATE = 16_000


def test_overhead_per_clip(benchmark: BenchmarkFixture) -> None:
    """Sends ten seconds of audio to a worker that only doubles the samples, and receives the result."""
    toy = Remote(Environment(("numpy<2",)), REMOTE / "toy.py")
    clip = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    toy.call("double", [clip])
    benchmark(lambda: toy.call("double", [clip]))
    toy.close()
    print(f"\nworker overhead: {1000 * benchmark.stats.stats.median:.2f} ms per 10 s clip")


def clips(count: int) -> list[FloatArray]:
    """Speech of 3-12 s, joined from bundled clips."""
    rng = np.random.default_rng(0)
    sounds = [read(path).samples for path in sorted(BUNDLE.glob("*.flac"))]
    speech = []
    for _ in range(count):
        joined = np.concatenate([sounds[int(rng.integers(len(sounds)))] for _ in range(6)])
        speech.append(joined[: int(RATE * rng.uniform(3, 12))])
    return speech


def test_whisper_in_batches(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Transcribes 32 clips one by one and in batches, with equal transcripts; a tiny model of Whisper's own class."""
    python = environments.require(Environment(asr.WHISPER_REQUIREMENTS))
    checkpoint = tmp_path / "tiny.pt"
    subprocess.run([str(python), str(REMOTE / "make_whisper.py"), str(checkpoint)], check=True, capture_output=True)
    remote = asr.IsolatedRecogniser(
        name="tiny", file="whisper_asr.py", requirements=asr.WHISPER_REQUIREMENTS, rules="", checkpoint=str(checkpoint)
    ).remote()
    sounds = clips(32)
    remote.call("transcribe", sounds[:1], language="en")
    start = time.perf_counter()
    one_by_one_texts = [remote.call("transcribe", [sound], language="en")[0][0] for sound in sounds]
    one_by_one_s = time.perf_counter() - start
    batch_texts, _ = benchmark.pedantic(lambda: remote.call("transcribe", sounds, language="en"), rounds=1)
    assert batch_texts == one_by_one_texts
    ratio = one_by_one_s / benchmark.stats.stats.median
    benchmark.extra_info["times_as_fast"] = ratio
    print(f"\nWhisper, 32 clips: {ratio:.1f} times as fast in batches of 16 ({one_by_one_s:.1f} s one by one)")
    remote.close()
