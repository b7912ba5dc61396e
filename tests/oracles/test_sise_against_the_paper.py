"""SISE's fast code against a literal transcription of the paper, with random weights, to within 1e-5."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("dac", reason="needs the extra `dac`")

from restorebench.systems.sise.config import CodecConfig, DiffusionConfig, SamplingConfig  # noqa: E402
from restorebench.systems.sise.diffusion import Denoiser, Sise  # noqa: E402
from restorebench.systems.sise.diffusion_task import SiseTask  # noqa: E402
from restorebench.systems.sise.sampling import draw, masked_counts, reverse_step  # noqa: E402
from restorebench.systems.training.data import PairStream, collate  # noqa: E402
from restorebench.systems.training.loop import launch_fabric  # noqa: E402
from restorebench.systems.training.recordings import recordings_of  # noqa: E402
from tests.oracles import literal_sise  # noqa: E402
from tests.tiny import SISE, quietly, run_config  # noqa: E402


def literal(denoiser: Denoiser, heads: int) -> literal_sise.LiteralDenoiser:
    state = {key: value.detach().double() for key, value in denoiser.state_dict().items()}
    blocks = len(denoiser.backbone.blocks)
    return literal_sise.LiteralDenoiser(state, denoiser.layers, denoiser.codebook_size, blocks, heads)


@pytest.mark.parametrize(("semantic", "average"), [(True, "clip"), (False, "clip"), (True, "sum")])
def test_training_losses_equal_the_transcription(semantic: bool, average: str) -> None:
    """The losses of one training step, for the masks and layers that the step itself drew."""
    settings = {"tokenizer": {"random": {"semantic": semantic}}, "losses": {"average": average}}
    run = run_config(SISE, model={"blocks": 2}, training={"batch": 3}, **settings)
    torch.manual_seed(0)
    task = SiseTask(run)
    task.setup(launch_fabric(run))
    stream = PairStream(run.data, task.rate, recordings_of(run.data.speech, None, quietly), 0, "train")
    batch = collate([stream[i] for i in range(3)])
    examples = task.to_examples(batch)
    with torch.no_grad():
        noisy_features = task.module.encode(examples["degraded"]).double()
    model, codes = task.module, examples["codes"]
    first = literal(model.first, run.model["heads"])
    losses: dict[str, list[torch.Tensor]] = {"first": [], "acoustic": []}
    for clip in range(3):
        layer, masked = int(examples["layer"][clip]), examples["masked"][clip]
        if semantic:
            masked_codes = literal_sise.masked_input(codes[clip, :1], 0, masked[0], 16)
            logits = first.logits(masked_codes, 0, noisy_features[clip])
            losses["first"].append(literal_sise.target_loss(logits, codes[clip, 0], masked[0], average))
            assert model.semantic_table is not None
            semantic_features = model.semantic_table.weight.detach().double()[codes[clip, 0]]
            condition = torch.cat([noisy_features[clip], semantic_features], dim=1)
            masked_codes = literal_sise.masked_input(codes[clip, 1:], layer, masked[1], 16)
            logits = literal(model.acoustic, run.model["heads"]).logits(masked_codes, layer, condition)  # type: ignore[arg-type]
            losses["acoustic"].append(literal_sise.target_loss(logits, codes[clip, 1 + layer], masked[1], average))
        else:
            masked_codes = literal_sise.masked_input(codes[clip], layer, masked[1], 16)
            logits = first.logits(masked_codes, layer, noisy_features[clip])
            losses["first"].append(literal_sise.target_loss(logits, codes[clip, layer], masked[1], average))
    values = task.step([batch], 0)
    names = {"first": "loss_semantic" if semantic else "loss_tokens", "acoustic": "loss_acoustic"}
    for stage, parts in losses.items():
        if parts:
            assert float(values[names[stage]]) == pytest.approx(float(torch.stack(parts).mean()), abs=1e-5)


@pytest.mark.parametrize("confidence", ["top-k", "all"])
@pytest.mark.parametrize("step", [0, 6, 13, 14])
def test_reverse_step_equals_the_transcription(step: int, confidence: str) -> None:
    torch.manual_seed(4)
    config = DiffusionConfig(width=32, heads=2, blocks=2, feed_forward=48, encoder_dim=4)
    codec = CodecConfig(encoder_dim=4, acoustic=3, codebook_size=40)
    model = Sise(config, codec).eval()
    assert model.acoustic is not None
    frames, sampling = 37, SamplingConfig.model_validate({"acoustic_steps": (15, 1, 1), "confidence": confidence})
    rng = np.random.default_rng(step)
    tokens = torch.from_numpy(rng.integers(0, 40, (1, 3, frames)))
    tokens[:, 2] = 40
    masked_before = frames if step == 0 else masked_counts(frames, 15)[step - 1]
    tokens[0, 1, torch.from_numpy(rng.permutation(frames)[:masked_before])] = 40
    condition = torch.randn(1, frames, 64 + 32)
    with torch.inference_mode():
        logits = model.acoustic(tokens, torch.tensor([1]), condition)
        slow = literal(model.acoustic, 2).logits(tokens[0], 1, condition[0].double())
        assert torch.allclose(logits[0].double(), slow, atol=1e-5)
        draws = draw([np.random.default_rng(9)], frames, 40, sampling, tokens.device)
        updated = reverse_step(logits, tokens[:, 1], draws, step, 15, masked_counts(frames, 15)[step], sampling, 40)
    wanted = literal_sise.reverse_step(
        slow, tokens[0, 1], draws[0][0], draws[1][0], step, 15, 40, 20, 1.5, confidence == "all"
    )
    assert torch.equal(updated[0], wanted)
    assert (updated[0] != tokens[0, 1]).any()
