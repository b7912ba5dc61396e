"""Teachers: their targets, and weights files that are read as untrusted. HuBERT is the real class at a small size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.masksr import teacher as module  # noqa: E402
from restorebench.systems.masksr.config import Distillation, ModelConfig  # noqa: E402
from restorebench.systems.masksr.teacher import (  # noqa: E402
    HubertTeacher,
    SpectrumTeacher,
    TeacherConfig,
    load_centres,
    load_hubert,
    nearest_centre,
    normalised,
    teacher_of,
)  # fmt: skip
from restorebench.systems.training.prepared import PEAKS  # noqa: E402
from tests.tiny import small_hubert  # noqa: E402

CLEAN = 0.1 * torch.randn(2, 44_100, generator=torch.Generator().manual_seed(3))


def test_hubert_targets_are_layer_nine_or_the_average_of_all_layers() -> None:
    """Against a forward hook on the ninth block: the convention of fairseq, counted from 1."""
    network = small_hubert()
    teacher = HubertTeacher("l9-feature", network, 44_100, None, "test")
    layer_outputs: list[Any] = []
    for block in network.encoder.transformer.layers:
        block.register_forward_hook(lambda _, __, out: layer_outputs.append(out[0] if isinstance(out, tuple) else out))
    targets = teacher.targets(CLEAN)
    assert targets.shape == (2, 49, 24)
    assert torch.allclose(targets, normalised(layer_outputs[8]), atol=1e-6)
    layer_outputs.clear()
    average = HubertTeacher("avg-feature", network, 44_100, None, "test").targets(CLEAN)
    assert len(layer_outputs) == 12
    assert torch.allclose(average, normalised(torch.stack(layer_outputs).mean(0)), atol=1e-6)


def test_a_teacher_never_trains() -> None:
    teacher = HubertTeacher("l9-feature", small_hubert(), 16_000, None, "test")
    teacher.train()
    audio = CLEAN[:, :16_000]
    assert torch.equal(teacher.targets(audio), teacher.targets(audio))
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_units_are_the_nearest_centres() -> None:
    centres = torch.randn(7, 24, generator=torch.Generator().manual_seed(5))
    teacher = HubertTeacher("l9-k500", small_hubert(), 16_000, centres, "test")
    assert teacher.channels == 7
    ids = teacher.targets(CLEAN[:, :16_000])
    assert ids.shape == (2, 49)
    assert ids.dtype == torch.int64
    features = torch.randn(3, 11, 24)
    distance = (features[:, :, None] - centres).square().sum(-1)
    assert torch.equal(nearest_centre(features, centres), distance.argmin(-1))
    uniform = teacher.loss(torch.zeros(2, 49, 7), ids)
    assert float(uniform) == pytest.approx(np.log(7), abs=1e-5)


@pytest.mark.parametrize(("top_hz", "channels"), [(8_000, 372), (22_050, 1025)])
def test_spectral_targets_are_normalised(top_hz: float, channels: int) -> None:
    teacher = SpectrumTeacher(ModelConfig(), 44_100, 512, top_hz)
    targets = teacher.targets(CLEAN)
    assert targets.shape == (2, 87, channels)
    assert torch.allclose(targets.mean(1), torch.zeros(2, channels), atol=1e-4)
    assert torch.allclose(targets.var(1, unbiased=False), torch.ones(2, channels), atol=0.02)
    assert float(teacher.loss(targets, targets)) == 0


def test_silence_has_finite_targets() -> None:
    targets = SpectrumTeacher(ModelConfig(), 44_100, 512, 22_050).targets(torch.zeros(1, 44_100))
    assert torch.isfinite(targets).all()


def test_each_of_the_five_names_gives_its_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The teachers are loaded by the code that loads the official files."""
    monkeypatch.setattr("torchaudio.models.hubert_base", small_hubert)
    torch.save(small_hubert().state_dict(), tmp_path / "hubert.pth")
    np.save(tmp_path / "centres.npy", np.random.default_rng(0).normal(size=(500, 24)).astype(np.float32))
    files = TeacherConfig(hubert=str(tmp_path / "hubert.pth"), centres=str(tmp_path / "centres.npy"))
    channels = {"stft-44.1k": 1025, "stft-16k": 372, "l9-k500": 500, "l9-feature": 24, "avg-feature": 24}
    identities = set()
    for kind, width in channels.items():
        teacher = teacher_of(ModelConfig(distillation=kind), files, 44_100, 512)  # type: ignore[arg-type]
        assert teacher.channels == width
        identities.add(teacher.identity())
    assert len(identities) == 5
    assert teacher_of(ModelConfig(), files, 44_100, 512) is None


def test_hubert_of_another_shape_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchaudio.models.hubert_base", small_hubert)
    state = small_hubert().state_dict()
    state.pop(next(iter(state)))
    torch.save(state, tmp_path / "hubert.pth")
    with pytest.raises(RequestError, match="not torchaudio's HuBERT-base weights"):
        load_hubert(tmp_path / "hubert.pth")


def test_centres_of_a_real_joblib_file(tmp_path: Path) -> None:
    """fairseq publishes a fitted MiniBatchKMeans; it is read once and cached as a plain array."""
    joblib, cluster = pytest.importorskip("joblib"), pytest.importorskip("sklearn.cluster")
    points = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    estimator = cluster.MiniBatchKMeans(n_clusters=5, n_init=1, random_state=0).fit(points)
    joblib.dump(estimator, tmp_path / "km.bin")
    centres = load_centres(tmp_path / "km.bin")
    assert np.array_equal(centres.numpy(), estimator.cluster_centers_.astype(np.float32))
    assert len(list(tmp_path.glob("km.*.npy"))) == 1
    assert torch.equal(load_centres(tmp_path / "km.bin"), centres)
    joblib.dump(estimator.fit(2 * points), tmp_path / "km.bin")
    assert not torch.equal(load_centres(tmp_path / "km.bin"), centres)  # a changed file gives new centres


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("executed"),))


def test_a_joblib_file_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joblib = pytest.importorskip("joblib")
    monkeypatch.chdir(tmp_path)
    joblib.dump(Malicious(), "bad.bin")
    with pytest.raises(RequestError, match="not a k-means estimator"):
        load_centres(Path("bad.bin"))
    assert not Path("executed").exists()
    assert not list(Path().glob("*.npy"))
    joblib.dump(np.array([Malicious()], dtype=object), "objects.bin")
    with pytest.raises(RequestError, match="an array of objects"):
        load_centres(Path("objects.bin"))
    assert not Path("executed").exists()
    (tmp_path / "text.bin").write_text("no estimator")
    with pytest.raises(RequestError, match="not a k-means estimator"):
        module.read_kmeans(tmp_path / "text.bin")


@pytest.mark.parametrize("kind", ["avg-feature", "l9-feature"])
def test_hubert_targets_are_the_same_at_every_level(kind: Distillation, speech: Audio) -> None:
    """Targets differ only by the effect of the first group norm's epsilon, so one preparation serves all levels."""
    network = small_hubert()
    with torch.no_grad():
        network.feature_extractor.conv_layers[0].conv.weight *= 100  # makes the group norm's epsilon of 1e-5 negligible
    teacher = HubertTeacher(kind, network, 16_000, None, "test")
    clean = torch.from_numpy(speech.samples)[None] / float(np.abs(speech.samples).max())
    loud, soft = (teacher.targets(clean * peak) for peak in (PEAKS[0], PEAKS[-3]))
    assert (loud - soft).abs().mean() < 0.02, "mean difference of features with unit variance"
