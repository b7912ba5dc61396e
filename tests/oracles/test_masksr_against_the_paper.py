"""The fast code against a literal reading of the paper, on random weights: 1e-5."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.systems.masksr.config import ModelConfig, SamplingConfig  # noqa: E402
from restorebench.systems.masksr.masking import left_masked, span_index, training_mask  # noqa: E402
from restorebench.systems.masksr.model import MaskSr  # noqa: E402
from restorebench.systems.masksr.sampling import Draws, guided_hidden, noise_std, step  # noqa: E402
from restorebench.systems.masksr.task import by_codebook  # noqa: E402
from restorebench.systems.masksr.teacher import normalised  # noqa: E402
from restorebench.systems.tokenizers.tokenizer import Codebook  # noqa: E402
from tests.oracles.literal_masksr import Literal  # noqa: E402

CODEBOOKS, SIZE, HOP, FRAMES = 4, 32, 128, 29
CONFIG = ModelConfig(width=48, heads=4, encoder_blocks=2, generator_blocks=2, window=512, distillation="l9-feature")


def model(channels: int = 0) -> MaskSr:
    torch.manual_seed(3)
    quantiser = [Codebook(torch.randn(SIZE, 8), torch.randn(64, 8) * 0.3, torch.randn(64)) for _ in range(CODEBOOKS)]
    made = MaskSr(CONFIG, HOP, quantiser, channels)
    for parameter in made.parameters():  # biases and norms away from 0 and 1, so that forgetting one shows
        parameter.data += 0.05 * torch.randn_like(parameter)
    made.encoder.norm.running_mean.uniform_(0, 1)
    made.encoder.norm.running_var.uniform_(0.5, 2)
    return made


def literal(fast: MaskSr, double: bool = True) -> Literal:
    state = {key: value.double() if double else value for key, value in fast.state_dict(keep_vars=True).items()}
    return Literal(state, CONFIG.heads, CONFIG.window, HOP, 2, 2, CODEBOOKS, SIZE)


@pytest.mark.parametrize("span", [1, 4])
@pytest.mark.parametrize("guidance", [0.0, 1.0])
@pytest.mark.parametrize("iteration", [0, 7, 19])
def test_sampling_step(iteration: int, guidance: float, span: int) -> None:
    fast, sampling = model().eval(), SamplingConfig(guidance=guidance)
    slow = literal(fast)
    rng = np.random.default_rng(iteration)
    audio = torch.from_numpy(rng.normal(scale=0.1, size=FRAMES * HOP - 40).astype(np.float32))
    counts = [CODEBOOKS * FRAMES, *left_masked(CODEBOOKS * FRAMES, 20)]
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
    """Losses and every gradient of one step."""
    fast = model(channels=10).train()
    rng = np.random.default_rng(5)
    audio = torch.from_numpy(rng.normal(scale=0.1, size=(3, FRAMES * HOP)).astype(np.float32))
    codes = torch.from_numpy(rng.integers(0, SIZE, (3, CODEBOOKS, FRAMES)))
    masked = torch.from_numpy(np.stack([training_mask(rng, CODEBOOKS, FRAMES) for _ in range(3)]))
    dropped = torch.tensor([False, True, False])
    taught = torch.from_numpy(rng.normal(2.0, 3.0, size=(3, 17, 10)).astype(np.float32))

    predicted = fast(audio, codes, masked, dropped, 17)
    wanted = by_codebook(codes, masked)
    cross_entropy = torch.nn.functional.cross_entropy(predicted.logits, wanted)
    distillation = torch.nn.functional.mse_loss(predicted.taught, normalised(taught))
    (cross_entropy + distillation).backward()
    gradients = {name: parameter.grad.clone() for name, parameter in fast.named_parameters()}

    fast.zero_grad()
    slow = literal(fast)
    losses = slow.training_loss([clip.double() for clip in audio], codes, masked, dropped.tolist(), taught.double())
    assert float(cross_entropy.detach()) == pytest.approx(float(losses[0].detach()), abs=1e-5)
    assert float(distillation.detach()) == pytest.approx(float(losses[1].detach()), abs=1e-5)
    sum(losses).backward()
    assert gradients
    for name, parameter in fast.named_parameters():
        assert torch.allclose(gradients[name], parameter.grad, atol=1e-5), name
