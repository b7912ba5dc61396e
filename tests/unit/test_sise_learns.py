"""SISE's nano models overfit: the codec four seconds of speech, each diffusion model one batch. Codebook starts too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("dac", reason="needs the extra `dac`")

from restorebench.benchmark import registry  # noqa: E402
from restorebench.benchmark.audio import read  # noqa: E402
from restorebench.benchmark.data.locations import BUNDLE  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.sise.codec_task import MelLoss, SiseCodecTask  # noqa: E402
from restorebench.systems.sise.diffusion_task import SiseTask  # noqa: E402
from restorebench.systems.tokenizers.quantizer import ResidualQuantizer, perplexity  # noqa: E402
from restorebench.systems.training.config import (  # noqa: E402
    RunConfig,
    load_config,
    merged,
)
from restorebench.systems.training.data import Batch, PairStream, collate  # noqa: E402
from restorebench.systems.training.loop import launch_fabric  # noqa: E402
from restorebench.systems.training.recordings import recordings_of  # noqa: E402
from tests.tiny import MASKSR, SISE_CODEC_RUN, quietly, run_config  # noqa: E402

DAC = {"encoder_dim": 8, "encoder_rates": [5, 5, 4, 2], "decoder_rates": [2, 4, 5, 5], "decoder_dim": 128}
"""The paper's kind of codec, small enough to learn within a test."""
FAST = {"ema": 0.0, "warm_up": 10, "decay": "constant", "rate": 2e-3}


def nano(name: str, **tables: object) -> RunConfig:
    """A bundled config on bundled speech, with synthetic noise and rooms."""
    settings = merged(load_config(name).model_dump(mode="json"), tables)
    speech = {"speech": MASKSR["data"]["speech"], "validation": [], "options": {}, "workers": 0}
    return RunConfig.model_validate({**settings, "data": {**settings["data"], **speech}})


@pytest.mark.heavy
def test_a_small_codec_overfits_four_seconds_of_speech(tmp_path: Path) -> None:
    """Its log-mel distance falls below 80 % of that of spectral gating, applied to the same speech with light noise."""
    speech = np.concatenate([read(BUNDLE / f"{name}.flac").samples for name in ("slt_08", "awb_02")])[:64_000]
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    [gated] = registry.create("systems", "spectral-gate").restore([Audio(speech + noise, 16_000)], [0])
    mel, clean = MelLoss(16_000), torch.from_numpy(speech).view(4, -1)
    largest_distance = 0.8 * float(mel(torch.from_numpy(gated.samples).view(4, -1), clean))

    losses = {"probes": False, "quantise_after": 40, "adversarial": 0.0}
    run = nano("nano/sise-codec", kind="sise-codec", labels={"source": "none"}, losses=losses,
               training={**FAST, "batch": 4, "clip": 0.0})  # fmt: skip
    run = run.model_copy(update={"model": DAC})
    torch.manual_seed(0)
    task = SiseCodecTask(run)
    task.prepare_stream("train", recordings_of(run.data.speech, None, quietly), tmp_path, quietly)
    task.setup(launch_fabric(run))
    zeros = torch.zeros(4, dtype=torch.long)
    batch = {"clean": clean, "index": torch.arange(4), "recording": zeros, "start": zeros.float()}
    distance = largest_distance
    for step in range(260):
        task.step([batch], step)
        if step > 60 and step % 10 == 8:  # every tenth step revives dead codes, which briefly raises the distance
            with torch.inference_mode():
                decoded, factorised = task.module.codec.eval()(clean)
            distance = float(mel(decoded, clean))
            if distance < largest_distance:
                break
    assert distance < largest_distance
    assert float(perplexity(factorised.codes, 1024).min()) > 10  # over 320 frames; a collapsed codebook has 1 to 5


@pytest.mark.parametrize("semantic", [True, False], ids=["sise", "sise-wo-dis"])
def test_the_nano_diffusion_overfits_one_batch(semantic: bool) -> None:
    """More than 99 % of the masked codes are right, in each stage."""
    codec = {"checkpoint": "", "random": {"frames": {"width": 32}, "semantic": semantic}}
    run = nano("nano/sise", tokenizer=codec, data={"seconds": 1.0},
               model={"seconds": 1.0}, training={**FAST, "rate": 1e-3, "batch": 4})  # fmt: skip
    torch.manual_seed(0)
    task = SiseTask(run)
    task.setup(launch_fabric(run))
    batch = first_batch(run, task.rate)
    accuracies = [0.0]
    for step in range(300):
        values = task.step([batch], step)
        accuracies = [float(value) for name, value in values.items() if name.startswith("accuracy")]
        if min(accuracies) > 0.99:
            break
    assert len(accuracies) == (2 if semantic else 1)
    assert min(accuracies) > 0.99


def first_batch(run: RunConfig, rate: int) -> Batch:
    recordings = recordings_of(run.data.speech, None, quietly)
    stream = PairStream(run.data, rate, recordings, 0, "train")
    return collate([stream[i] for i in range(run.training.batch)])


@torch.no_grad()  # type: ignore[untyped-decorator]
def test_a_quantiser_starts_from_the_principal_components() -> None:
    """A fresh encoder gives nearly equal latents; after whitening, the cosine lookup distinguishes them."""
    torch.manual_seed(0)
    latents = 5.0 + 0.01 * torch.randn(4, 32, 300)
    quantizer = ResidualQuantizer(32, 2, 64, 8)
    assert float(perplexity(quantizer(latents).codes, 64)[0]) < 5
    quantizer.start_from(latents, torch.Generator().manual_seed(0))
    quantised = quantizer(latents)
    assert float(perplexity(quantised.codes, 64).min()) > 40
    assert quantised.latents[0].mean((0, 2)).abs().max() < 1e-2
    assert torch.allclose(quantised.latents[0].std((0, 2)), torch.ones(8), atol=0.02)
    assert float((latents - quantised.output).square().mean()) < 0.9 * float(latents.var())


def test_before_the_quantisers_start_the_decoder_gets_the_latents_of_the_encoder() -> None:
    """Every weight has a gradient, as distributed training needs; the gradients of the quantisers are zero."""
    torch.manual_seed(0)
    codec = SiseCodecTask(run_config(SISE_CODEC_RUN)).module.codec
    audio = torch.randn(2, 4000)
    output, factorised = codec(audio, None, False)
    assert torch.allclose(output, codec.synthesise(codec.latents(audio)), atol=1e-6)
    (output.square().mean() + factorised.codebook_loss + factorised.commitment_loss).backward()
    gradients = {name: parameter.grad for name, parameter in codec.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert not any(
        torch.any(gradient) for name, gradient in gradients.items() if name.startswith(("semantic", "acoustic"))
    )
