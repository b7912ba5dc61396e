"""SIM-O on a small random checkpoint in the published format, against the forward pass written out tensor by tensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchaudio")

from torch.nn import functional as nn  # noqa: E402

from restorebench.benchmark.contracts import Subject  # noqa: E402
from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.benchmark.run.clip import SharedClip  # noqa: E402
from restorebench.benchmark.run.scoring import metric, score  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.metrics.ecapa import load_encoder  # noqa: E402
from tests.conftest import Cli  # noqa: E402
from tests.fake_corpora import seedtts, sound  # noqa: E402
from tests.remote.make_sim_o import STRIDES, random_state, write  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("wavlm") / "tiny.pth")


def bucket(distance: int) -> int:
    """WavLM's relative positions: 160 buckets a side, exact up to 79, then logarithmic up to 800 frames."""
    side, exact, furthest = 160, 80, 800
    index = abs(distance)
    if index >= exact:
        index = min(side - 1, exact + int(np.log(index / exact) / np.log(furthest / exact) * (side - exact)))
    return index + (side if distance > 0 else 0)


def literal(state: dict[str, Any], samples: Any) -> Any:
    """UniSpeech's speaker embedding of one clip [time]: WavLM and ECAPA-TDNN with the checkpoint's own tensor names."""
    body = {key.removeprefix("feature_extract.model."): tensor for key, tensor in state.items()}

    def linear(x: Any, name: str, tensors: dict[str, Any] = body) -> Any:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(x: Any, name: str) -> Any:
        scaled = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return scaled * body[f"{name}.weight"] + body[f"{name}.bias"]

    x = ((samples - samples.mean()) / (samples.var(unbiased=False) + 1e-5).sqrt())[None]
    for index, stride in enumerate(STRIDES):
        x = nn.conv1d(x, body[f"feature_extractor.conv_layers.{index}.0.weight"], stride=stride)
        x = nn.gelu(norm(x.T, f"feature_extractor.conv_layers.{index}.2.1").T)
    x = linear(norm(x.T, "layer_norm"), "post_extract_proj")
    v, g = body["encoder.pos_conv.0.weight_v"], body["encoder.pos_conv.0.weight_g"]
    kernel = g * v / v.norm(dim=(0, 1), keepdim=True)
    size = kernel.shape[2]
    convolved = nn.conv1d(x.T[None], kernel, body["encoder.pos_conv.0.bias"], padding=size // 2, groups=4)[0]
    x = x + nn.gelu(convolved[:, : len(x)]).T
    count = len(x)
    table = body["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    heads, width = table.shape[1], x.shape[1] // table.shape[1]
    bias = table[torch.tensor([[bucket(key - query) for key in range(count)] for query in range(count)])]
    states = []
    for layer in range(len(state["feature_weight"]) - 1):
        name = f"encoder.layers.{layer}"
        states.append(x)
        normalised = norm(x, f"{name}.self_attn_layer_norm")
        parts = []
        for head in range(heads):
            channels = slice(head * width, (head + 1) * width)
            query, key, value = (linear(normalised, f"{name}.self_attn.{part}_proj")[:, channels] for part in "qkv")
            gates = linear(normalised[:, channels], f"{name}.self_attn.grep_linear")
            update, reset = gates[:, :4].sum(1).sigmoid(), gates[:, 4:].sum(1).sigmoid()
            gate = update * (reset * body[f"{name}.self_attn.grep_a"][0, head, 0, 0] - 1) + 2
            weights = (query @ key.T / width**0.5 + gate[:, None] * bias[:, :, head]).softmax(-1)
            parts.append(weights @ value)
        x = x + linear(torch.cat(parts, 1), f"{name}.self_attn.out_proj")
        x = x + linear(nn.gelu(linear(norm(x, f"{name}.final_layer_norm"), f"{name}.fc1")), f"{name}.fc2")
    states.append(norm(x, "encoder.layer_norm"))
    layer_weights = state["feature_weight"].softmax(0)
    x = sum(weight * frames for weight, frames in zip(layer_weights, states, strict=True)).T + 1e-6
    x = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()

    def conv(x: Any, name: str, dilation: int = 1) -> Any:
        kernel = state[f"{name}.weight"]
        padding = dilation * (kernel.shape[2] // 2)
        return nn.conv1d(x[None], kernel, state[f"{name}.bias"], padding=padding, dilation=dilation)[0]

    def batch_norm(x: Any, name: str) -> Any:
        scale = state[f"{name}.weight"] / (state[f"{name}.running_var"] + 1e-5).sqrt()
        shape = (-1, *[1] * (x.ndim - 1))
        return (x - state[f"{name}.running_mean"].view(shape)) * scale.view(shape) + state[f"{name}.bias"].view(shape)

    def conv_relu_bn(x: Any, name: str) -> Any:
        return batch_norm(conv(x, f"{name}.conv").relu(), f"{name}.bn")

    x = conv_relu_bn(x, "layer1")
    outputs = []
    for layer in (2, 3, 4):
        name = f"layer{layer}"
        y = conv_relu_bn(x, f"{name}.Conv1dReluBn1")
        parts = list(y.chunk(8))
        for part in range(7):
            inputs = parts[part] + parts[part - 1] if part else parts[part]
            convolved = conv(inputs, f"{name}.Res2Conv1dReluBn.convs.{part}", dilation=layer).relu()
            parts[part] = batch_norm(convolved, f"{name}.Res2Conv1dReluBn.bns.{part}")
        y = conv_relu_bn(torch.cat(parts), f"{name}.Conv1dReluBn2")
        squeezed = linear(y.mean(1), f"{name}.SE_Connect.linear1", state).relu()
        x = x + y * linear(squeezed, f"{name}.SE_Connect.linear2", state).sigmoid()[:, None]
        outputs.append(x)
    x = conv(torch.cat(outputs), "conv").relu()
    attention = conv(conv(x, "pooling.linear1").tanh(), "pooling.linear2").softmax(1)
    mean = (attention * x).sum(1)
    deviation = ((attention * x**2).sum(1) - mean**2).clamp(min=1e-9).sqrt()
    return linear(batch_norm(torch.cat([mean, deviation]), "bn"), "linear", state)


@pytest.mark.parametrize("seconds", [0.5, 2.5])
def test_the_embedding_equals_the_equations(checkpoint: Path, speech: Audio, seconds: float) -> None:
    """A clip of 2.5 s has 124 frames, so that logarithmic buckets are used too."""
    samples = torch.from_numpy(speech.samples[: int(seconds * 16_000)].astype(np.float32))
    wanted = literal(torch.load(checkpoint, weights_only=True)["model"], samples)
    with torch.inference_mode():
        [embedding] = load_encoder(checkpoint)(samples[None])
    assert torch.allclose(embedding, wanted, atol=1e-4 * float(wanted.abs().max()))


def test_the_random_checkpoint_has_the_size_of_the_published_one() -> None:
    """711 tensors with 24 layers: 488 of WavLM, 221 of ECAPA-TDNN, the layer weights and the training classifier."""
    tensors = random_state(layers=24)
    assert len(tensors) == 711
    assert sum(name.startswith("feature_extract.model.") for name in tensors) == 488


def test_embeddings_are_equal_in_a_batch_and_alone(checkpoint: Path, speech: Audio) -> None:
    clips = torch.from_numpy(np.stack([speech.samples[:16_000], speech.samples[8_000:24_000]]).astype(np.float32))
    with torch.inference_mode():
        encoder = load_encoder(checkpoint)
        together, alone = encoder(clips), torch.cat([encoder(clip[None]) for clip in clips])
    assert torch.allclose(together, alone, atol=1e-4 * float(alone.abs().max()))
    assert not torch.allclose(alone[0], alone[1], atol=1e-2 * float(alone.abs().max())), "the encoder ignores its input"


@pytest.mark.parametrize("change", ["missing", "extra", "nested", "text"])
def test_a_checkpoint_that_does_not_fit_is_refused(checkpoint: Path, tmp_path: Path, change: str) -> None:
    """The official code loads with strict=False, so that a parameter without a matching tensor stays random."""
    loaded = torch.load(checkpoint, weights_only=True)
    if change == "missing":
        del loaded["model"]["layer3.SE_Connect.linear2.bias"]
    elif change == "extra":
        loaded["model"]["feature_extract.model.encoder.layers.0.self_attn.lora.weight"] = torch.zeros(1)
    elif change == "nested":
        loaded = {"state_dict": loaded["model"]}
    path = tmp_path / "changed.pth"
    if change == "text":
        path.write_text("<html>Google Drive - Virus scan warning</html>")
    else:
        torch.save(loaded, path)
    with pytest.raises(RequestError, match=r"changed\.pth: not a checkpoint of WavLM with ECAPA-TDNN"):
        load_encoder(path)


def test_scores_of_the_reference_noise_and_silence(checkpoint: Path, speech: Audio) -> None:
    name = f"sim_o:{checkpoint}"
    judge = metric(name)
    rng = np.random.default_rng(0)
    noise = Audio(0.1 * rng.standard_normal(len(speech.samples)).astype(np.float32), speech.rate)
    silent = Audio(np.zeros(len(speech.samples), np.float32), speech.rate)
    subject = Subject(reference=SharedClip(speech))
    own, other, nothing = score(judge, subject, [SharedClip(sound) for sound in (speech, noise, silent)])
    assert own[name].value == pytest.approx(1.0, abs=1e-6)
    assert other[name].value is not None
    assert other[name].value < 0.999
    assert nothing[name].why == "ValueError: digital silence has no speaker embedding"


def test_a_run_stores_its_scores(checkpoint: Path, cli: Cli, tmp_path: Path) -> None:
    name = f"sim_o:{checkpoint}"
    done = cli("run", "demo", "--systems", "unprocessed,target", "--metrics", name, "--limit", "2", "--store", "s")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "s" / "records.csv").read_text()
    assert text.count("sim_o:") >= 4
    assert "encoder=tiny.pth" in text
    assert "weights=" in text


def test_generated_speech_is_scored_against_its_clean_prompt(
    checkpoint: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SISE's Table 2 on one sentence: the generated speech is longer than the prompt and is scored in full."""
    seedtts(tmp_path / "data" / "seedtts_testset")
    clip = "common_voice_en_10119832-common_voice_en_10119840"
    spoken = tmp_path / "data" / "seedtts_spoken" / "en"
    for seed, system in enumerate(("unprocessed", "ground-truth")):
        sound(spoken / system / f"{clip}.wav", 24_000, seed, seconds=1.5)
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path / "data"))
    name = f"sim_o:{checkpoint}"
    done = cli("run", "sise-table2-seedtts-en", "--metrics", f"{name},dnsmos", "--store", "s")
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "s" / "records.csv")
    assert set(rows["system"]) == {"unprocessed", "published:ground-truth"}
    assert rows["value"].notna().all(), rows["why"].dropna().tolist()
    assert not rows["signature"].str.contains("length=").any(), "a signature says that lengths were fitted"
    absent = cli("run", "sise-table2-seedtts-en", "--systems", "published:FRCRN", "--metrics", name, "--store", "s")
    assert absent.returncode == 2
    assert "published:FRCRN has no sound for any clip" in absent.stderr
