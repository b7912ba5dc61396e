"""WeSpeaker's features against Kaldi's in torchaudio, and the metric with a tiny random encoder in its file format."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.contracts import Subject
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.isolation import environments
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.types import Audio
from restorebench.metrics.wespeaker import features
from tests.conftest import Cli


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("wespeaker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTOREBENCH_ENVIRONMENTS", str(root))
        python = environments.require(Environment(("onnx==1.17.*",)))
    path = root / "tiny.onnx"
    script = Path(__file__).with_name("make_wespeaker.py")
    subprocess.run([str(python), str(script), str(path)], check=True, capture_output=True)
    return path


def test_features_equal_kaldis(speech: Audio) -> None:
    """With WeSpeaker's options; torchaudio's implementation of Kaldi's features is the oracle."""
    torch = pytest.importorskip("torch")
    kaldi = pytest.importorskip("torchaudio.compliance.kaldi")
    samples = torch.from_numpy(speech.samples)[None] * 32_768
    wanted = kaldi.fbank(
        samples, num_mel_bins=80, frame_length=25, frame_shift=10, dither=0.0, sample_frequency=16_000,
        window_type="hamming", use_energy=False,
    )  # fmt: skip
    wanted = wanted - wanted.mean(0)
    assert np.abs(features(speech.samples) - wanted.numpy()).max() < 2e-3


def test_the_scale_of_16_bit_integers_matters(speech: Audio) -> None:
    """In the range [-1, 1], Kaldi's energy floor would limit quiet frames; a clip 40 dB down must keep its features."""
    assert np.abs(features(speech.samples) - features(speech.samples / 100)).max() < 0.05


def test_both_values_come_from_one_cosine(encoder: Path, speech: Audio) -> None:
    name = f"spk_sim@wespeaker:{encoder}"
    judge = metric(name)
    rng = np.random.default_rng(0)
    noise = Audio(0.1 * rng.standard_normal(len(speech.samples)).astype(np.float32), speech.rate)
    estimates = [SharedClip(speech), SharedClip(noise)]
    own, other = score(judge, Subject(reference=SharedClip(speech)), estimates)
    assert own[name].value == pytest.approx(1.0, abs=1e-6)
    assert own[f"{name}@cos"].value == pytest.approx(1.0, abs=1e-6)
    cosine, mapped = other[f"{name}@cos"].value, other[name].value
    assert cosine is not None
    assert mapped == pytest.approx((cosine + 1) / 2)
    assert cosine < 0.99
    [alone] = score(judge, Subject(reference=SharedClip(speech)), estimates[1:])
    assert alone[name].value == pytest.approx(mapped, abs=1e-4)
    silent = SharedClip(Audio(np.zeros(len(speech.samples), np.float32), speech.rate))
    [row] = score(judge, Subject(reference=SharedClip(speech)), [silent])
    assert row[name].why == "ValueError: digital silence has no speaker embedding"


def test_a_run_stores_its_scores(encoder: Path, cli: Cli, tmp_path: Path) -> None:
    name = f"spk_sim@wespeaker:{encoder}"
    done = cli("run", "demo", "--systems", "unprocessed,target", "--metrics", name, "--limit", "2", "--store", "s")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "s" / "records.csv").read_text()
    assert text.count(f"{name}@cos,") == 4
    assert "weights=" in text
    assert "encoder=tiny.onnx" in text
    assert "resnet221" not in text, "another encoder passes for the paper's"


def test_absent_weights_are_reported_with_a_command(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESTOREBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = cli("run", "demo", "--metrics", "spk_sim@wespeaker", "--store", "s")
    assert done.returncode == 2
    assert "run: restorebench data fetch wespeaker-resnet221-lm" in done.stderr
    with pytest.raises(RequestError, match=r"nowhere\.onnx: no such checkpoint"):
        metric("spk_sim@wespeaker:nowhere.onnx")
