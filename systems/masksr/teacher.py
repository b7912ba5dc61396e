"""Teachers of the speech encoder: spectra, HuBERT or Whisper features of the target speech (MaskSR2 §II-A).

Continuous targets are normalised to zero mean and unit variance per clip and channel; k-means ids are classes.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.data import weights
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.data.weight_catalogue import CATALOGUE
from restorebench.benchmark.errors import RequestError
from restorebench.systems.masksr.config import Distillation, ModelConfig
from restorebench.systems.masksr.whisper_teacher import CHANNELS, UNITS, WhisperEncoder
from restorebench.systems.tokenizers.spectrum import compressed_magnitude

HUBERT_RATE = 16_000
LAYER = 9
"""Counted from 1, as in fairseq and the paper; the first element of torchaudio's list is the output of layer 1."""
CLUSTERS = 500
EPSILON = 1e-5
"""Added to the variance: bins that are empty in a band-limited target have the variance 0."""


class TeacherConfig(BaseModel):
    """Catalogue names or files of the teacher's weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hubert: str = "hubert-base"
    centres: str = "hubert-base-l9-km500"


class Teacher(Protocol):
    channels: int
    """Number of outputs of the head: features, or classes."""
    column: str
    """The key of the targets in a batch that contains them."""
    prepared: bool
    """Whether the targets are worth extracting ahead of training."""
    levelled: bool
    """Whether the targets depend on the level of the sound."""

    def targets(self, clean: Tensor) -> Tensor:
        """Features [batch, frame, channel] (float) or ids [batch, frame] (int64) of clean audio [batch, time]."""
        ...

    def loss(self, predicted: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of predictions [batch, frame, channel]."""
        ...

    def identity(self) -> str: ...


def normalised(features: Tensor) -> Tensor:
    """Zero mean and unit variance over time, per clip and channel. features [batch, frame, channel]."""
    mean = features.mean(1, keepdim=True)
    variance = features.var(1, keepdim=True, unbiased=False)
    return (features - mean) / (variance + EPSILON).sqrt()


class SpectrumTeacher(nn.Module):
    """|STFT| ** 0.3 of the target up to `top_hz`: no semantic knowledge, the paper's control (STFT-44.1k, STFT-16k)."""

    column = "taught"
    prepared = False
    levelled = False

    def __init__(self, config: ModelConfig, rate: int, hop: int, top_hz: float) -> None:
        super().__init__()
        self.config, self.hop = config, hop
        bins = config.window // 2 + 1
        self.channels = min(bins, math.floor(top_hz * config.window / rate) + 1)

    @torch.no_grad()
    def targets(self, clean: Tensor) -> Tensor:
        magnitude = compressed_magnitude(clean, self.config.window, self.hop, self.config.alignment)
        return normalised(magnitude[:, : self.channels].transpose(1, 2))

    def loss(self, predicted: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(predicted.float(), targets)

    def identity(self) -> str:
        return f"stft {self.config.window} {self.hop} {self.config.alignment} {self.channels}"


class HubertTeacher(nn.Module):
    """HuBERT-base on the target at 16 kHz, raw amplitude (base models take no waveform normalisation)."""

    column = "taught"
    prepared = True
    levelled = False  # the first layer's group norm removes the level, up to its epsilon

    def __init__(self, kind: Distillation, network: nn.Module, rate: int, centres: Tensor | None, source: str) -> None:
        """network: torchaudio's Wav2Vec2Model; centres [cluster, channel] for l9-k500."""
        super().__init__()
        self.kind, self.rate, self.source = kind, rate, source
        self.network = network.requires_grad_(False).eval()
        self.centres = None if centres is None else nn.Parameter(centres, requires_grad=False)
        width = int(network.encoder.transformer.layers[0].attention.embed_dim)  # type: ignore[union-attr, index]
        self.channels = width if self.centres is None else len(self.centres)

    def train(self, mode: bool = True) -> HubertTeacher:
        """Keeps evaluation mode, since a teacher is not trained: dropout and LayerDrop stay off."""
        return super().train(False)

    @torch.no_grad()
    def targets(self, clean: Tensor) -> Tensor:
        import torchaudio

        resampled = torchaudio.functional.resample(clean, self.rate, HUBERT_RATE)
        if self.kind == "avg-feature":
            return normalised(torch.stack(self._layers(resampled, None)).mean(0))
        features = self._layers(resampled, LAYER)[LAYER - 1]
        if self.centres is None:
            return normalised(features)
        return nearest_centre(features, self.centres)

    def _layers(self, audio: Tensor, count: int | None) -> list[Tensor]:
        layers: list[Tensor] = self.network.extract_features(audio, num_layers=count)[0]  # type: ignore[operator]
        return layers

    def loss(self, predicted: Tensor, targets: Tensor) -> Tensor:
        if self.centres is None:
            return functional.mse_loss(predicted.float(), targets)
        return functional.cross_entropy(predicted.float().transpose(1, 2), targets)

    def identity(self) -> str:
        return f"{self.kind} {self.source}"


class WhisperUnits(nn.Module):
    """500 k-means units of Whisper base's encoder (`whisper_teacher.py`); training material contains the units."""

    channels = UNITS
    column = "units"
    prepared = False
    levelled = False

    def targets(self, clean: Tensor) -> Tensor:
        """Raises RequestError, because the units are extracted from whole recordings before training."""
        raise RequestError(
            "whisper-base-k500 needs training material with units; set `material` under [data] to its folder"
        )

    def loss(self, predicted: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy over the frames that have a unit."""
        return functional.cross_entropy(predicted.float().transpose(1, 2), targets)

    def identity(self) -> str:
        return "whisper-base-k500"


class WhisperFeatures(nn.Module):
    """The last layer of Whisper base's encoder, 512 channels at 50 Hz, on the target at 16 kHz."""

    channels = CHANNELS
    column = "taught"
    prepared = True
    levelled = True

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate, self.encoder = rate, WhisperEncoder()

    def targets(self, clean: Tensor) -> Tensor:
        import torchaudio

        resampled = torchaudio.functional.resample(clean, self.rate, HUBERT_RATE).cpu().numpy()
        frames = [
            features for _, _, features in sorted(self.encoder.features(list(resampled)), key=lambda part: part[:2])
        ]
        return normalised(torch.from_numpy(np.stack(frames)).to(clean.device))

    def loss(self, predicted: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(predicted.float(), targets)

    def identity(self) -> str:
        return f"whisper-base-encoder {weights.identity('whisper-base-model')}"


def nearest_centre(features: Tensor, centres: Tensor) -> Tensor:
    """Ids [batch, frame] by Euclidean distance on raw features [batch, frame, channel]."""
    squared = features.square().sum(-1, keepdim=True) - 2 * features @ centres.T + centres.square().sum(-1)
    return squared.argmin(-1)


def teacher_of(model: ModelConfig, teacher: TeacherConfig, rate: int, hop: int) -> Any:
    """The teacher of a model, or None. Raises RequestError or AwayError when its weights cannot be fetched or read."""
    kind = model.distillation
    if kind == "none":
        return None
    if kind in ("stft-44.1k", "stft-16k"):
        return SpectrumTeacher(model, rate, hop, top_hz=rate / 2 if kind == "stft-44.1k" else HUBERT_RATE / 2)
    if kind == "whisper-base-k500":
        return WhisperUnits()
    if kind == "whisper-base-encoder":
        return WhisperFeatures(rate)
    source = _file(teacher.hubert)
    centres = load_centres(_file(teacher.centres)) if kind == "l9-k500" else None
    file_hashes = file_sha256(source) + (file_sha256(_file(teacher.centres)) if centres is not None else "")
    return HubertTeacher(kind, load_hubert(source), rate, centres, file_hashes)


def _file(name: str) -> Path:
    return weights.fetch(name) if name in CATALOGUE else Path(name)


def load_hubert(path: Path) -> nn.Module:
    """HuBERT-base from torchaudio's file (HUBERT_BASE), every key checked. Raises RequestError."""
    from torchaudio.models import hubert_base

    network: nn.Module = hubert_base()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, TypeError, ValueError) as error:
        seen = " ".join(str(error).split())[:200]
        raise RequestError(f"{path}: not torchaudio's HuBERT-base weights ({seen}); fetch the file again") from error
    return network


def load_centres(path: Path) -> Tensor:
    """K-means centres [500, 768]: from an .npy file, or from the published joblib file, saved beside it as .npy once.

    Raises RequestError.
    """
    array_file = path if path.suffix == ".npy" else path.with_name(f"{path.stem}.{file_sha256(path)[:12]}.npy")
    if not array_file.is_file():
        with open_atomic(array_file) as part, part.open("wb") as file:
            np.save(file, read_kmeans(path))
    try:
        centres = np.load(array_file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RequestError(f"{array_file}: not a plain array ({error}); remove it and try again") from error
    if centres.ndim != 2:
        raise RequestError(f"{array_file}: shape {centres.shape}, wanted [cluster, channel]")
    return torch.from_numpy(centres.astype(np.float32))


def read_kmeans(path: Path) -> np.ndarray:
    """`cluster_centers_` of a scikit-learn estimator in a joblib file, without running any code of its pickle.

    Only numpy's and joblib's array classes are loaded; scikit-learn's classes are replaced by an empty
    class. Raises RequestError, also for any other class.
    """
    from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

    class Shell:
        def __setstate__(self, state: dict[str, Any]) -> None:
            self.__dict__.update(state)

    class PlainArray(NumpyArrayWrapper):  # type: ignore[misc]
        def read(self, *arguments: Any, **options: Any) -> Any:
            if self.dtype.hasobject:  # some versions of joblib unpickle these without calling `find_class`
                raise pickle.UnpicklingError("an array of objects")
            return super().read(*arguments, **options)

    class ArraysOnly(NumpyUnpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            if module.startswith("sklearn."):
                return Shell
            if name == "NumpyArrayWrapper":
                return PlainArray
            if (module.split(".")[0], name) in ALLOWED:
                return super().find_class(module, name)
            raise pickle.UnpicklingError(f"{module}.{name} is not an array class")

    try:
        with path.open("rb") as file:
            arrays = ArraysOnly(str(path), file, ensure_native_byte_order=True).load()
        return np.asarray(arrays.cluster_centers_)
    except Exception as error:  # a broken pickle can raise anything
        raise RequestError(f"{path}: not a k-means estimator in joblib's format ({error}); fetch it again") from error


ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy", "scalar"),
    ("numpy", "_reconstruct"),
    ("numpy", "__randomstate_ctor"),
    ("numpy", "__generator_ctor"),
    ("copyreg", "_reconstructor"),
    ("builtins", "object"),
}
"""(package, name) pairs that the pickle of an array, or of the estimator's random state, needs."""
