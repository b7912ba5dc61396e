"""MaskSR's decoding: seconds per 4 s window, share of each stage, memory, and the speed-up over the literal reference.

`make bench-models` runs these benchmarks. The weights are random: the time does not depend on them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch")

from restorebench.systems.masksr.config import ModelConfig, SamplingConfig  # noqa: E402
from restorebench.systems.masksr.model import MaskSr  # noqa: E402
from restorebench.systems.masksr.sampling import guided_hidden, sample  # noqa: E402
from restorebench.systems.tokenizers.tokenizer import Codebook  # noqa: E402
from tests.oracles.literal_masksr import Literal  # noqa: E402

SAMPLES, HOP, CODEBOOKS, SIZE = 176_400, 512, 9, 1024
SHAPES = {"S": ModelConfig(), "L": ModelConfig(width=1024, generator_blocks=12)}
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
BF16_RATES = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bf16 operations per second (NVIDIA's data sheets); the key is a part of the device's name."""


def model(shape: str, device: str = "cpu") -> MaskSr:
    torch.manual_seed(0)
    quantiser = [
        Codebook(torch.randn(SIZE, 8), torch.randn(1024, 8) * 0.3, torch.zeros(1024)) for _ in range(CODEBOOKS)
    ]
    return MaskSr(SHAPES[shape], HOP, quantiser).eval().to(device)


def windows(batch: int, device: str = "cpu") -> torch.Tensor:
    return 0.1 * torch.randn(batch, SAMPLES, generator=torch.Generator().manual_seed(1)).to(device)


def decode(network: MaskSr, audio: torch.Tensor, group: int) -> torch.Tensor:
    """Decodes as the system does: a group of windows at a time, the encoder once per window, then 20 iterations."""
    with torch.inference_mode():
        codes = []
        for start in range(0, len(audio), group):
            features = network.encoder(audio[start : start + group])
            rngs = [np.random.default_rng(start + i) for i in range(len(features))]
            codes.append(sample(network.generator, features, rngs, SamplingConfig()))
        return torch.cat(codes)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("shape", "batch"), [("S", 1), ("S", 8), ("S", 32), ("L", 1), ("L", 8), ("L", 32)])
def test_seconds_per_window(benchmark: BenchmarkFixture, shape: str, batch: int, device: str) -> None:
    network, audio = model(shape, device), windows(batch, device)
    group = 1 if device == "cpu" else batch
    benchmark.group = f"MaskSR-{shape}, {device}"
    benchmark.pedantic(lambda: decode(network, audio, group), rounds=1)
    per_window = benchmark.stats.stats.median / batch
    print(f"\nMaskSR-{shape} on {device}, batch {batch}: {per_window:.2f} s per 4 s window")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", ["S", "L"])
def test_share_of_each_stage(benchmark: BenchmarkFixture, shape: str, device: str) -> None:
    """Seconds of encoder, generator (with sampling) and DAC decoder for one window."""
    from restorebench.systems.tokenizers.dac import CONFIGS, DacTokenizer

    network, audio = model(shape, device), windows(1, device)
    dac = DacTokenizer(**CONFIGS["dac-44khz"]).eval().to(device)

    def stages() -> dict[str, float]:
        with torch.inference_mode():
            encoder = seconds(lambda: network.encoder(audio))
            features = network.encoder(audio)
            generator = seconds(
                lambda: sample(network.generator, features, [np.random.default_rng(0)], SamplingConfig())
            )
            codes = torch.randint(0, SIZE, (1, CODEBOOKS, features.shape[1]), device=device)
            return {"encoder": encoder, "generator": generator, "decoder": seconds(lambda: dac.decode(codes))}

    stages()
    stage_s = benchmark.pedantic(stages, rounds=1)
    total = sum(stage_s.values())
    print(f"\nMaskSR-{shape}, {device}: " + ", ".join(f"{k} {v:.2f} s ({v / total:.0%})" for k, v in stage_s.items()))


@pytest.mark.parametrize("batch", [1, 8])
def test_speed_up_over_the_literal_reference(benchmark: BenchmarkFixture, batch: int) -> None:
    """The speed-up over the literal reference, both in float32 on the same cores; MaskSR-S, whole windows.

    The literal reference is timed over all 20 iterations of one window. It has no batches, so this time is multiplied
    by the number of windows.
    """
    network, audio = model("S"), windows(batch)
    config = network.config
    literal = Literal(
        network.state_dict(), config.heads, config.window, HOP, config.encoder_blocks, config.generator_blocks,
        CODEBOOKS, SIZE,
    )  # fmt: skip
    rng, frames = np.random.default_rng(0), -(-SAMPLES // HOP)

    def time_literal_step(iteration: int) -> float:
        masked_share = np.cos(np.pi * iteration / 40)
        masked = torch.from_numpy(rng.random((CODEBOOKS, frames)) < masked_share)
        codes = torch.randint(0, SIZE, (CODEBOOKS, frames)).masked_fill(masked, SIZE)
        uniforms, normals = torch.rand(CODEBOOKS, frames), torch.randn(CODEBOOKS, frames)
        with torch.inference_mode():
            return seconds(lambda: literal.sampling_step(codes, audio[0], uniforms, normals, iteration, 20, 1.0))

    time_literal_step(0)
    reference_s = batch * sum(time_literal_step(iteration) for iteration in range(20))
    decode(network, audio[:1], 1)
    benchmark.pedantic(lambda: decode(network, audio, 1), rounds=1)
    ratio = reference_s / benchmark.stats.stats.median
    benchmark.extra_info["times_as_fast"] = ratio
    print(f"\nMaskSR-S, batch {batch}: {ratio:.1f} times as fast as the literal reference ({reference_s:.1f} s)")


PEAK = """
import sys
from pathlib import Path
from tests.benchmarks.test_masksr_speed import decode, model, torch, windows
def status(name):
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) / 1024
network, audio = model(sys.argv[1], sys.argv[2]), windows(1, sys.argv[2])
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
decode(network, audio, 1)
if sys.argv[2] == "cuda":
    print(f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MiB on the accelerator, weights included")
else:
    print(f"{status('VmHWM') - before:.0f} MiB beyond the {before:.0f} MiB of Python, torch and weights")
"""


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", ["S", "L"])
def test_peak_memory(benchmark: BenchmarkFixture, shape: str, device: str) -> None:
    """Peak memory of decoding one window, measured in a separate process."""
    command = [sys.executable, "-c", PEAK, shape, device]
    root = Path(__file__).resolve().parents[2]
    done = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True, cwd=root), rounds=1
    )
    print(f"\nMaskSR-{shape}, {device}: peak {done.stdout.strip()}")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@pytest.mark.parametrize("shape", ["S", "L"])
def test_share_of_the_matrix_rate(benchmark: BenchmarkFixture, shape: str) -> None:
    """The generator's operations per second in bf16, also as a share of the device's matrix rate if that is known."""
    network = model(shape, "cuda").to(torch.bfloat16)
    batch, frames, config = 32, -(-SAMPLES // HOP), network.config
    codes = torch.full((batch, CODEBOOKS, frames), SIZE, device="cuda")
    features = torch.randn(batch, frames, config.width, device="cuda", dtype=torch.bfloat16)
    operations = 2 * 2 * batch * frames * config.generator_blocks * (12 * config.width**2 + 2 * frames * config.width)

    def forward() -> None:
        with torch.inference_mode():
            guided_hidden(network.generator, codes, features, 1.0)
        torch.cuda.synchronize()

    benchmark.pedantic(forward, warmup_rounds=3, rounds=10)
    rate, name = operations / benchmark.stats.stats.median, torch.cuda.get_device_name()
    peak_rates = [peak for part, peak in BF16_RATES.items() if part in name]
    share = f", {rate / peak_rates[0]:.0%} of its bf16 matrix rate" if peak_rates else ""
    print(f"\nMaskSR-{shape} on {name}: {rate / 1e12:.0f} Tflop/s{share}")
