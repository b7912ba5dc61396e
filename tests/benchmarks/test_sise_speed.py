"""SISE's restoration: seconds per 10 s clip, share of each stage, memory, and the speed-up over the literal reference.

`make bench-models` runs these benchmarks. The models have the paper's sizes and random weights: the time does not
depend on the weights.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch")
pytest.importorskip("dac", reason="needs the extra `dac`")

from restorebench.systems.sise.codec import FactorisedCodec  # noqa: E402
from restorebench.systems.sise.config import CodecConfig, DiffusionConfig, SamplingConfig  # noqa: E402
from restorebench.systems.sise.diffusion import Denoiser, Sise  # noqa: E402
from restorebench.systems.sise.sampling import masked_counts, sample_layers  # noqa: E402
from tests.benchmarks.test_masksr_speed import DEVICES, seconds  # noqa: E402
from tests.oracles import literal_sise  # noqa: E402

WINDOW_S, CLIP_S, RATE = 4.0, 10.0, 16_000
STEPS = SamplingConfig().steps(6)
VARIANTS = {"SISE": True, "SISE-w/o-dis": False}


def models(variant: str, device: str = "cpu") -> tuple[Sise, FactorisedCodec]:
    torch.manual_seed(0)
    codec = CodecConfig(semantic=VARIANTS[variant])
    return Sise(DiffusionConfig(), codec).eval().to(device), FactorisedCodec(codec).eval().to(device)


def windows(count: int, device: str = "cpu") -> torch.Tensor:
    samples = int(WINDOW_S * RATE)
    return 0.1 * torch.randn(count, samples, generator=torch.Generator().manual_seed(1)).to(device)


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


def stages(model: Sise, codec: FactorisedCodec, audio: torch.Tensor) -> dict[str, float]:
    """Seconds of each stage for windows [window, time], in the order in which the system runs them."""
    config, count, stage_seconds, outputs = SamplingConfig(), len(audio), {}, {}

    def timed(name: str, work: object) -> torch.Tensor:
        stage_seconds[name] = seconds(lambda: outputs.update({name: work()}))  # type: ignore[operator]
        return outputs[name]

    with torch.inference_mode():
        features = timed("noisy encoder", lambda: model.encode(audio))
        if model.acoustic is None:
            codes = timed("diffusion", lambda: sample_layers(model.first, features, STEPS, rngs(count), config))
        else:
            denoiser = model.acoustic
            first = timed("semantic", lambda: sample_layers(model.first, features, STEPS[:1], rngs(count), config))
            condition = model.acoustic_condition(features, first[:, 0])
            rest = timed("acoustic", lambda: sample_layers(denoiser, condition, STEPS[1:], rngs(count), config))
            codes = torch.cat([first, rest], dim=1)
        timed("codec decoder", lambda: codec.decode(codes))
    return stage_seconds


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_seconds_per_clip(benchmark: BenchmarkFixture, variant: str, device: str) -> None:
    """A 10 s clip is two and a half windows; a CPU runs one window at a time, an accelerator all windows at once."""
    model, codec = models(variant, device)
    scale = CLIP_S / WINDOW_S if device == "cpu" else 1.0
    audio = windows(1 if device == "cpu" else 3, device)
    stages(model, codec, audio)
    stage_seconds = benchmark.pedantic(lambda: stages(model, codec, audio), rounds=1)
    total = sum(stage_seconds.values())
    parts = ", ".join(f"{name} {scale * part:.2f} s ({part / total:.0%})" for name, part in stage_seconds.items())
    print(f"\n{variant} on {device}: {scale * total:.2f} s per 10 s clip: {parts}")


def test_speed_up_over_the_literal_reference(benchmark: BenchmarkFixture) -> None:
    """The speed-up over the literal reference: all 29 reverse steps of one window, float32, the same cores."""
    model, _ = models("SISE")
    config, audio = SamplingConfig(), windows(1)
    with torch.inference_mode():
        features = model.encode(audio)
        assert model.acoustic is not None
        condition = model.acoustic_condition(features, torch.zeros(features.shape[:2], dtype=torch.long))
        reference_s = literal_layers(model.first, features[0], STEPS[:1], config)
        reference_s += literal_layers(model.acoustic, condition[0], STEPS[1:], config)
    stages(model, models("SISE")[1], audio)

    def sample_all_layers() -> None:
        with torch.inference_mode():
            sample_layers(model.first, features, STEPS[:1], rngs(1), config)
            assert model.acoustic is not None
            sample_layers(model.acoustic, condition, STEPS[1:], rngs(1), config)

    benchmark.pedantic(sample_all_layers, rounds=1)
    ratio = reference_s / benchmark.stats.stats.median
    benchmark.extra_info["times_as_fast"] = ratio
    print(f"\nSISE: {ratio:.1f} times as fast as the literal reference ({reference_s:.1f} s)")


def literal_layers(
    denoiser: Denoiser, condition: torch.Tensor, steps: tuple[int, ...], config: SamplingConfig
) -> float:
    """Seconds of all reverse steps of one clip's layers together; condition [frame, channel]."""
    literal = literal_sise.LiteralDenoiser(
        denoiser.state_dict(), denoiser.layers, denoiser.codebook_size, len(denoiser.backbone.blocks),
        DiffusionConfig().heads,
    )  # fmt: skip
    frames, mask, total_s = len(condition), denoiser.codebook_size, 0.0
    tokens = torch.full((denoiser.layers, frames), mask)
    gumbel = torch.distributions.Gumbel(torch.tensor(0.0), torch.tensor(1.0))
    for layer, count in enumerate(steps):
        for step in range(len(masked_counts(frames, count))):

            def literal_step(layer: int = layer, step: int = step, count: int = count) -> None:
                logits = literal.logits(tokens, layer, condition)
                tokens[layer] = literal_sise.reverse_step(
                    logits, tokens[layer], gumbel.sample((frames, config.top_k)), gumbel.sample((frames,)), step,
                    count, mask, config.top_k, config.temperature,
                )  # fmt: skip

            total_s += seconds(literal_step)
    return total_s


PEAK = """
import sys
from pathlib import Path
from tests.benchmarks.test_sise_speed import models, stages, windows
def status(name):
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) / 1024
model, codec = models(sys.argv[1])
audio = windows(1)
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
stages(model, codec, audio)
print(f"{status('VmHWM') - before:.0f} MiB beyond the {before:.0f} MiB of Python, torch and weights")
"""


@pytest.mark.parametrize("variant", VARIANTS)
def test_peak_memory(benchmark: BenchmarkFixture, variant: str) -> None:
    """Peak memory of restoring one window, measured in a separate process."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", PEAK, variant]
    done = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True, cwd=root), rounds=1
    )
    print(f"\n{variant}: peak {done.stdout.strip()}")
