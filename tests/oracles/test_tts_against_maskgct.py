"""The text-to-speech models against a literal transcription of MaskGCT's recipe, with random weights, within 1e-5."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.systems.sise.sampling import draw, masked_counts, reverse_step  # noqa: E402
from restorebench.systems.training.data import PairStream, collate  # noqa: E402
from restorebench.systems.training.loop import launch_fabric  # noqa: E402
from restorebench.systems.training.recordings import recordings_of  # noqa: E402
from restorebench.systems.tts import sampling  # noqa: E402
from restorebench.systems.tts.masks import phones_of_frames  # noqa: E402
from restorebench.systems.tts.task import TtsTask  # noqa: E402
from tests.oracles import literal_sise, literal_tts  # noqa: E402
from tests.tiny import TTS, quietly, run_config  # noqa: E402

SIZE, HEADS, BLOCKS = 16, 2, 2


def semantic_of(task: TtsTask) -> literal_tts.LiteralSemantic:
    state = {key: value.detach().double() for key, value in task.module.semantic.state_dict().items()}
    return literal_tts.LiteralSemantic(state, SIZE, BLOCKS, HEADS)


def acoustic_of(task: TtsTask) -> literal_sise.LiteralDenoiser:
    denoiser = task.module.acoustic.denoiser
    state = {key: value.detach().double() for key, value in denoiser.state_dict().items()}
    return literal_sise.LiteralDenoiser(state, denoiser.layers, SIZE, BLOCKS, HEADS)


def tiny_task(positions: str) -> TtsTask:
    run = run_config(TTS, model={"positions": positions}, training={"batch": 5})
    torch.manual_seed(0)
    task = TtsTask(run)
    task.setup(launch_fabric(run))
    return task


@pytest.mark.parametrize("positions", ["sequence", "durations"])
def test_training_losses_equal_the_transcription(positions: str, tmp_path: object) -> None:
    """All losses of one training step, for the masks, layers and prompts that the step itself drew."""
    task = tiny_task(positions)
    run = task.config
    recordings = recordings_of(run.data.speech, None, quietly)
    task.prepare_stream("train", recordings, tmp_path, quietly)  # type: ignore[arg-type]
    stream = PairStream(run.data, task.rate, recordings, 0, "train")
    batch = collate([stream[i] for i in range(5)])
    examples = task.to_examples(batch)
    labels = task._frame_labels(batch, examples["codes"].shape[2], "train")
    table = task.module.acoustic.semantic.weight.detach().double()
    losses: dict[str, list[torch.Tensor]] = {"semantic": [], "acoustic": []}
    prompts, errors = [], []
    for crop in range(5):
        codes, masked, layer = examples["codes"][crop], examples["masked"][crop], int(examples["layer"][crop])
        phones = [phone for phone in examples["sequence"][crop].tolist() if phone >= 0]
        spoken = phones_of_frames(labels[crop], task.codec.hop / task.rate)
        assert phones in ([segment.phone for segment in spoken], [])
        middles = [segment.middle for segment in spoken][: len(phones)] if positions == "durations" else None
        tokens = [SIZE if is_masked else int(token) for token, is_masked in zip(codes[0], masked[0], strict=True)]
        semantic_model = semantic_of(task)
        logits = semantic_model.hidden(tokens, phones, middles) @ semantic_model.state["head.weight"].T
        losses["semantic"].append(literal_sise.target_loss(logits, codes[0], masked[0]))
        prompt = int(examples["prompt"][crop])
        prompts.append(prompt)
        assert not masked[1, :prompt].any()
        tokens_in = literal_tts.acoustic_input(codes[1:], layer, masked[1], prompt, SIZE)
        states = literal_tts.acoustic_hidden(acoustic_of(task), table, tokens_in, layer, codes[0])
        logits = states @ acoustic_of(task).state["heads"][layer].T
        losses["acoustic"].append(literal_sise.target_loss(logits, codes[1 + layer], masked[1]))
        if phones and task.module.durations is not None:
            state = {key: value.detach().double() for key, value in task.module.durations.state_dict().items()}
            predicted = literal_tts.log_frames(state, phones)
            pairs = zip(predicted[1:-1], spoken[1:-1], strict=True)
            errors += [(log_frames - math.log(segment.end - segment.start)) ** 2 for log_frames, segment in pairs]
    assert max(prompts) > 0
    values = task.step([batch], 0)
    assert ("loss_durations" in values) == bool(errors) == (positions == "durations")
    if errors:
        assert float(values["loss_durations"]) == pytest.approx(sum(errors) / len(errors), abs=1e-5)
    for stage, parts in losses.items():
        assert float(values[f"loss_{stage}"]) == pytest.approx(float(torch.stack(parts).mean()), abs=1e-5)


@pytest.mark.parametrize("step", [0, 4, 9])
@pytest.mark.parametrize("stage", ["semantic", "acoustic"])
def test_sampling_step_equals_the_transcription(stage: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One guided reverse step, from the tokens that the sampler itself had before that step."""
    task = tiny_task("durations")
    config = task.sampling.model_copy(update={"semantic_steps": 10, "acoustic_steps": (10, 1), "top_share": 0.25})
    rng = np.random.default_rng(3)
    prompt = torch.from_numpy(rng.integers(0, SIZE, (3, 9)))
    middles = [1.5, 6.0, 11.0, 17.5, 25.0]
    phones, frames, semantic_tokens = [2, 7, 0, 30, 11], 21, torch.from_numpy(rng.integers(0, SIZE, 21))
    steps: list[tuple[torch.Tensor, torch.Tensor]] = []

    def recorded(*arguments: object) -> torch.Tensor:
        after = reverse_step(*arguments)  # type: ignore[arg-type]
        steps.append((arguments[1].clone(), after.clone()))  # type: ignore[attr-defined]
        return after

    monkeypatch.setattr(sampling, "reverse_step", recorded)
    with torch.inference_mode():
        if stage == "semantic":
            arguments = (task.module.semantic, prompt[0], phones, middles, frames, np.random.default_rng(5), config)
            sampling.say_semantic(*arguments)
        else:
            sampling.say_acoustic(task.module.acoustic, prompt, semantic_tokens, np.random.default_rng(5), config)
    before, after = (tokens[0] for tokens in steps[step])
    semantic_model = semantic_of(task)
    if stage == "semantic":
        conditional = semantic_model.hidden([*prompt[0].tolist(), *before.tolist()], phones, middles)[9:]
        unconditional = semantic_model.hidden(before.tolist(), [], [])
        head, settings = semantic_model.state["head.weight"], config.semantic(SIZE)
    else:
        table, denoiser = task.module.acoustic.semantic.weight.detach().double(), acoustic_of(task)
        generated = torch.stack([before, torch.full_like(before, SIZE)])
        prompted, semantic = torch.cat([prompt[1:], generated], dim=1), torch.cat([prompt[0], semantic_tokens])
        conditional = literal_tts.acoustic_hidden(denoiser, table, prompted, 0, semantic)[9:]
        unconditional = literal_tts.acoustic_hidden(denoiser, table, generated, 0, semantic_tokens)
        head, settings = denoiser.state["heads"][0], config.acoustic(SIZE)
    logits = literal_tts.guided(conditional, unconditional, 2.5, 0.75) @ head.T
    assert int((before == SIZE).sum()) == (frames if step == 0 else masked_counts(frames, 10)[step - 1])
    rng = np.random.default_rng(5)
    for _ in range(step + 1):
        draws = draw([rng], frames, SIZE, settings, before.device)
    wanted = literal_sise.reverse_step(
        logits, before, draws[0][0], draws[1][0], step, 10, SIZE, 4, settings.temperature
    )
    assert torch.equal(after, wanted)
    assert (after != before).any()
