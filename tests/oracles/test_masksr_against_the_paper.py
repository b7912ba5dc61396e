"""MaskSR2's fast code against a literal transcription of the paper, with random weights, to within 1e-5."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.systems.masksr.config import ModelConfig, SamplingConfig  # noqa: E402
from restorebench.systems.masksr.masking import masked_counts, span_index  # noqa: E402
from restorebench.systems.masksr.model import MaskSr  # noqa: E402
from restorebench.systems.masksr.sampling import Draws, guided_hidden, noise_std, step  # noqa: E402
from restorebench.systems.masksr.task import MaskSrTask  # noqa: E402
from restorebench.systems.tokenizers.tokenizer import Codebook  # noqa: E402
from restorebench.systems.training.config import RunConfig  # noqa: E402
from restorebench.systems.training.data import PairStream, collate  # noqa: E402
from restorebench.systems.training.loop import launch_fabric  # noqa: E402
from restorebench.systems.training.recordings import recordings_of  # noqa: E402
from tests.oracles.literal_masksr import Literal  # noqa: E402
from tests.tiny import quietly, run_config  # noqa: E402

CODEBOOKS, SIZE, HOP, FRAMES = 4, 32, 128, 29
CONFIG = ModelConfig(width=48, heads=4, encoder_blocks=2, generator_blocks=2, window=512)


def model() -> MaskSr:
    torch.manual_seed(3)
    quantiser = [Codebook(torch.randn(SIZE, 8), torch.randn(64, 8) * 0.3, torch.randn(64)) for _ in range(CODEBOOKS)]
    network = MaskSr(CONFIG, HOP, quantiser)
    for parameter in network.parameters():  # no bias stays 0 and no norm 1, so that omitting one changes the result
        parameter.data += 0.05 * torch.randn_like(parameter)
    network.encoder.norm.running_mean.uniform_(0, 1)
    network.encoder.norm.running_var.uniform_(0.5, 2)
    return network


def literal(fast: MaskSr) -> Literal:
    state = {key: value.double() for key, value in fast.state_dict().items()}
    return Literal(state, CONFIG.heads, CONFIG.window, HOP, 2, 2, CODEBOOKS, SIZE)


@pytest.mark.parametrize("span", [1, 4])
@pytest.mark.parametrize("guidance", [0.0, 1.0])
@pytest.mark.parametrize("iteration", [0, 7, 19])
def test_sampling_step_equals_the_transcription(iteration: int, guidance: float, span: int) -> None:
    fast, sampling = model().eval(), SamplingConfig(guidance=guidance)
    slow = literal(fast)
    rng = np.random.default_rng(iteration)
    audio = torch.from_numpy(rng.normal(scale=0.1, size=FRAMES * HOP - 40).astype(np.float32))
    counts = [CODEBOOKS * FRAMES, *masked_counts(CODEBOOKS * FRAMES, 20)]
    spans = span_index(FRAMES, span)
    masked = np.zeros((CODEBOOKS, FRAMES), bool)
    order = rng.permutation(CODEBOOKS * (spans[-1] + 1))
    for span_number in order:  # whole spans masked, about as many as the schedule leaves
        k, s = divmod(int(span_number), int(spans[-1]) + 1)
        if masked.sum() + (spans == s).sum() <= counts[iteration]:
            masked[k, spans == s] = True
    codes = torch.from_numpy(np.where(masked, SIZE, rng.integers(0, SIZE, masked.shape)))
    uniforms = torch.from_numpy(rng.random((CODEBOOKS, FRAMES), dtype=np.float32))
    normals = torch.from_numpy(rng.standard_normal((CODEBOOKS, int(spans[-1]) + 1), dtype=np.float32))
    with torch.no_grad():
        features = fast.encoder(audio[None])
        [encoded] = slow.encode([audio.double()])
        assert torch.allclose(features[0].double(), encoded, atol=1e-5)
        state = guided_hidden(fast.generator, codes[None], features, guidance)
        logits = fast.generator.logits(state)[0].double()
        null = slow.state["generator.null"].expand_as(encoded)
        guided = (1 + guidance) * slow.logits(codes, encoded) - guidance * slow.logits(codes, null)
        assert torch.allclose(logits, guided, atol=1e-5)
        noise = noise_std(iteration, sampling)
        draws = Draws(uniforms[None], normals[None])
        [sampled] = step(fast.generator, state, codes[None], draws, counts[iteration + 1], noise, sampling, span)
        wanted = slow.sampling_step(codes, audio.double(), uniforms, normals, iteration, 20, guidance, span)
    assert torch.equal(sampled, wanted)
    assert (sampled != codes).any()


def test_training_step_equals_the_transcription() -> None:
    """Both losses and every gradient of one training step, for its own masks, dropped conditions and teacher."""
    run = run_config(
        model={"width": 48, "heads": 4, "encoder_blocks": 2, "generator_blocks": 2, "window": 512, "drop": 0.5},
        tokenizer={"random": {"hop": HOP, "window": 512, "codebooks": CODEBOOKS, "codebook_size": SIZE}},
        training={"batch": 3},
    )
    task, batches = task_and_batches(run, 1)
    # Noise is added: in bins that a filter emptied, the exponent 0.3 would magnify single-precision rounding errors.
    rng = torch.Generator().manual_seed(2)
    batches[0] |= {key: batches[0][key] + 1e-3 * torch.randn(3, 8000, generator=rng) for key in ("clean", "degraded")}
    examples = task.to_examples(batches[0])
    assert 0 < examples["dropped"].sum() < 3
    state = {key: value.detach().double().requires_grad_() for key, value in task.module.named_parameters()}
    values = task.step(batches, 0)
    gradients = {name: parameter.grad for name, parameter in task.module.named_parameters()}

    slow = Literal(state, 4, 512, HOP, 2, 2, CODEBOOKS, SIZE)
    teacher = torch.stack([slow.spectrum(clip.double()) for clip in examples["clean"]])  # STFT of the target
    losses = slow.training_loss(
        [clip.double() for clip in examples["degraded"]], examples["codes"], examples["masked"],
        examples["dropped"].tolist(), teacher,
    )  # fmt: skip
    assert float(values["cross-entropy"]) == pytest.approx(float(losses[0].detach()), abs=1e-5)
    assert float(values["distillation"]) == pytest.approx(float(losses[1].detach()), abs=1e-5)
    sum(losses).backward()
    assert len(gradients) > 30
    for name, gradient in gradients.items():
        assert torch.allclose(gradient.double(), state[name].grad, atol=1e-5), name


def test_accumulated_steps_equal_one_step() -> None:
    """Two micro-batches of the same clips have the same batch statistics, and so give the gradients of one batch."""
    whole, batches = task_and_batches(run_config(training={"batch": 2}), 1)
    parts, _ = task_and_batches(run_config(training={"batch": 2, "accumulate": 2}), 1)
    wanted, accumulated = whole.step(batches, 0), parts.step([*batches, *batches], 0)
    for name in ("cross-entropy", "distillation", "accuracy", "dropped"):
        assert float(accumulated[name]) == pytest.approx(float(wanted[name]), abs=1e-6)
    for (name, parameter), expected in zip(parts.module.named_parameters(), whole.module.parameters(), strict=True):
        assert torch.allclose(parameter.grad, expected.grad, atol=1e-6), name


def task_and_batches(run: RunConfig, count: int) -> tuple[MaskSrTask, list[dict[str, torch.Tensor]]]:
    torch.manual_seed(0)
    task = MaskSrTask(run)
    task.setup(launch_fabric(run))
    stream = PairStream(run.data, task.rate, recordings_of(run.data.speech, None, quietly), 0, "train")
    size = run.training.batch
    return task, [collate([stream[i] for i in range(first * size, (first + 1) * size)]) for first in range(count)]
