"""The fast code against a literal reading of the paper, on random weights: 1e-5."""

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
    made = MaskSr(CONFIG, HOP, quantiser)
    for parameter in made.parameters():  # biases and norms away from 0 and 1, so that forgetting one shows
        parameter.data += 0.05 * torch.randn_like(parameter)
    made.encoder.norm.running_mean.uniform_(0, 1)
    made.encoder.norm.running_var.uniform_(0.5, 2)
    return made


def literal(fast: MaskSr) -> Literal:
    state = {key: value.double() for key, value in fast.state_dict().items()}
    return Literal(state, CONFIG.heads, CONFIG.window, HOP, 2, 2, CODEBOOKS, SIZE)


@pytest.mark.parametrize("span", [1, 4])
@pytest.mark.parametrize("guidance", [0.0, 1.0])
@pytest.mark.parametrize("iteration", [0, 7, 19])
def test_sampling_step(iteration: int, guidance: float, span: int) -> None:
    fast, sampling = model().eval(), SamplingConfig(guidance=guidance)
    slow = literal(fast)
    rng = np.random.default_rng(iteration)
    audio = torch.from_numpy(rng.normal(scale=0.1, size=FRAMES * HOP - 40).astype(np.float32))
    counts = [CODEBOOKS * FRAMES, *masked_counts(CODEBOOKS * FRAMES, 20)]
    spans = span_index(FRAMES, span)
    hidden = np.zeros((CODEBOOKS, FRAMES), bool)
    order = rng.permutation(CODEBOOKS * (spans[-1] + 1))
    for place in order:  # whole spans masked, about as many as the schedule leaves
        k, s = divmod(int(place), int(spans[-1]) + 1)
        if hidden.sum() + (spans == s).sum() <= counts[iteration]:
            hidden[k, spans == s] = True
    codes = torch.from_numpy(np.where(hidden, SIZE, rng.integers(0, SIZE, hidden.shape)))
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
        [made] = step(fast.generator, state, codes[None], draws, counts[iteration + 1], noise, sampling, span)
        wanted = slow.sampling_step(codes, audio.double(), uniforms, normals, iteration, 20, guidance, span)
    assert torch.equal(made, wanted)
    assert (made != codes).any()


def test_training_step() -> None:
    """Losses and every gradient of one step of the task: masks, dropped clips, teacher and weights included."""
    run = run_config(
        model={"width": 48, "heads": 4, "encoder_blocks": 2, "generator_blocks": 2, "window": 512, "drop": 0.5},
        tokenizer={"random": {"hop": HOP, "window": 512, "codebooks": CODEBOOKS, "codebook_size": SIZE}},
        training={"batch": 3},
    )
    task, batches = task_and_batches(run, 1)
    # A little noise: in bins that a filter emptied, a power of 0.3 would magnify the rounding of single precision.
    rng = torch.Generator().manual_seed(2)
    batches[0] |= {key: batches[0][key] + 1e-3 * torch.randn(3, 8000, generator=rng) for key in ("clean", "degraded")}
    examples = task.to_examples(batches[0])
    assert 0 < examples["dropped"].sum() < 3
    state = {key: value.detach().double().requires_grad_() for key, value in task.module.named_parameters()}
    values = task.step(batches, 0)
    gradients = {name: parameter.grad for name, parameter in task.module.named_parameters()}

    slow = Literal(state, 4, 512, HOP, 2, 2, CODEBOOKS, SIZE)
    raw = torch.stack([slow.spectrum(clip.double()) for clip in examples["clean"]])  # the teacher: STFT of the target
    losses = slow.training_loss(
        [clip.double() for clip in examples["degraded"]], examples["codes"], examples["masked"],
        examples["dropped"].tolist(), raw,
    )  # fmt: skip
    assert float(values["cross-entropy"]) == pytest.approx(float(losses[0].detach()), abs=1e-5)
    assert float(values["distillation"]) == pytest.approx(float(losses[1].detach()), abs=1e-5)
    sum(losses).backward()
    assert len(gradients) > 30
    for name, gradient in gradients.items():
        assert torch.allclose(gradient.double(), state[name].grad, atol=1e-5), name


def test_accumulated_steps_are_one_step() -> None:
    """Twice the same clips in two micro-batches: the same batch statistics, so the gradients of one batch of them."""
    whole, batches = task_and_batches(run_config(training={"batch": 2}), 1)
    parts, _ = task_and_batches(run_config(training={"batch": 2, "accumulate": 2}), 1)
    wanted, made = whole.step(batches, 0), parts.step([*batches, *batches], 0)
    for name in ("cross-entropy", "distillation", "accuracy", "dropped"):
        assert float(made[name]) == pytest.approx(float(wanted[name]), abs=1e-6)
    for (name, mine), its in zip(parts.module.named_parameters(), whole.module.parameters(), strict=True):
        assert torch.allclose(mine.grad, its.grad, atol=1e-6), name


def task_and_batches(run: RunConfig, count: int) -> tuple[MaskSrTask, list[dict[str, torch.Tensor]]]:
    torch.manual_seed(0)
    task = MaskSrTask(run)
    task.setup(launch_fabric(run))
    stream = PairStream(run.data, task.rate, recordings_of(run.data.speech, None, quietly), 0, "train")
    size = run.training.batch
    return task, [collate([stream[i] for i in range(first * size, (first + 1) * size)]) for first in range(count)]
