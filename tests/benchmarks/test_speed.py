"""Clips per second of every metric and corruption on 3, 10 and 30 s clips, on one core: `make bench`.

`ops` is clips per second. Two more benchmarks follow: the speed-up of the shared-trunk DNSMOS over speechmos, measured
in one run, and the statistics of a large table.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits

from restorebench.benchmark import registry
from restorebench.benchmark.audio import read
from restorebench.benchmark.components import why_not
from restorebench.benchmark.contracts import Scene, Subject
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.data.locations import audio_files, resolve_uri
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.types import Audio

SECONDS = (3, 10, 30)
SPEECH = np.concatenate([read(resolve_uri(uri)).samples for uri in audio_files("demo:")])
TEXT = "The birch canoe slid on the smooth planks."


def clip(seconds: int) -> Audio:
    return Audio(SPEECH[: seconds * 16_000].copy(), 16_000)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("name", list(registry.targets_by_name("metrics")))
def test_metric(benchmark: BenchmarkFixture, name: str, seconds: int) -> None:
    if why := why_not("metrics", name):
        pytest.skip(why)
    clean = clip(seconds)
    noise = np.random.default_rng(0).normal(scale=0.01, size=len(clean.samples))
    noisy = Audio((clean.samples + noise).astype(np.float32), clean.rate)

    def score_once() -> None:
        [row] = score(metric(name), Subject(reference=SharedClip(clean), text=TEXT), [SharedClip(noisy, 1.0)])
        assert not any(outcome.why for outcome in row.values()), row

    benchmark.group = f"metrics, {seconds} s"
    benchmark.pedantic(score_once, warmup_rounds=1, rounds=3)


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("name", list(registry.targets_by_name("corruptions")))
def test_corruption(benchmark: BenchmarkFixture, name: str, seconds: int) -> None:
    if why := why_not("corruptions", name):
        pytest.skip(why)
    corruption = registry.create("corruptions", name)
    clean = clip(seconds)
    scene = Scene(rate=clean.rate, seconds=clean.seconds, others=audio_files("demo:"))
    recipes = [corruption.draw(generator("bench", str(i)), scene) for i in range(10)]
    counter = iter(range(10**9))

    benchmark.group = f"corruptions, {seconds} s"
    benchmark.pedantic(lambda: corruption.render(recipes[next(counter) % 10], clean), warmup_rounds=1, rounds=10)


@pytest.mark.parametrize("seconds", [4, 14])
def test_speed_up_of_dnsmos_over_speechmos(benchmark: BenchmarkFixture, seconds: int) -> None:
    """Both implementations run on one thread."""
    import onnxruntime
    from speechmos import dnsmos as published

    clean = clip(seconds)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    published.run(clean.samples, 16_000)
    for name, path in (("onnx_sess", "sig_bak_ovr.onnx"), ("p808_onnx_sess", "model_v8.onnx")):
        folder = published.dnsmos.primary_model_path.rpartition("/")[0]
        setattr(published.dnsmos, name, onnxruntime.InferenceSession(f"{folder}/{path}", options))
    start = time.perf_counter()
    published.run(clean.samples, 16_000)
    speechmos_s = time.perf_counter() - start
    benchmark.group = "DNSMOS, ours (ratio to speechmos in extra_info)"
    benchmark.pedantic(lambda: metric("dnsmos").score(None, [SharedClip(clean)]), warmup_rounds=1, rounds=3)
    benchmark.extra_info["times_as_fast"] = speechmos_s / benchmark.stats.stats.median
    print(f"\nDNSMOS, {seconds} s: {speechmos_s / benchmark.stats.stats.median:.1f} times as fast as speechmos")


def test_statistics_of_a_large_table(benchmark: BenchmarkFixture) -> None:
    """12 systems x 1000 clips x 10 metrics x 10 000 draws: every interval, every pair, Holm. Goal: 10 s on 2 cores."""
    from restorebench.benchmark.analysis.paired_tests import Sample, pairs, pairwise, score_interval
    from restorebench.benchmark.analysis.resampling import Draws
    from restorebench.benchmark.analysis.significance import holm

    rng = np.random.default_rng(0)
    samples = [Sample(rng.standard_normal((12, 1000)), np.ones((12, 1000)), np.arange(1000)) for _ in range(10)]

    def all_statistics() -> None:
        draws = Draws("benchmark")
        for sample in samples:
            for system in range(12):
                score_interval(sample, system, draws)
            holm([comparison.p for comparison in pairwise(sample, pairs(12), draws).values()])

    with threadpool_limits(2):
        benchmark.pedantic(all_statistics, rounds=3)
