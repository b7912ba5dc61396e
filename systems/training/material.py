"""Training data as arrays that fit in memory: speech, frame labels, noise and room impulse responses.

`gather` makes a folder of them once, out of corpora; training then draws crops without decoding audio, on a CPU or on
a GPU (`draws.py`). `bundle.py` makes the same folder small enough to copy to another machine.

    recordings.json   one entry per recording: corpus, id, speaker, licence, split, samples
    speech.npy        int16 [sample], the recordings concatenated, each padded to a whole number of 20 ms frames
    phones.npy        uint8 [frame], classes of `sise.phonemes`; 255 where a recording has no alignment
    units.npy         uint16 [frame], Whisper units (`whisper-base-k500`); 65535 where there are none
    centres.npy       float32 [unit, 512], the k-means centre of each unit
    noise.npy         int16 [sample], the noise recordings concatenated
    rirs.npz          float32 arrays, one room impulse response each, the direct sound at sample 0 with amplitude 1
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from restorebench.benchmark import registry
from restorebench.benchmark.audio import resample
from restorebench.benchmark.contracts import Scene
from restorebench.benchmark.core.atomic import open_atomic, write_atomic
from restorebench.benchmark.core.pool import process_pool
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.data.locations import audio_files, resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.suite import CorpusSpec
from restorebench.benchmark.types import Audio, FloatArray
from restorebench.corruptions.reverb import Measured, ReverbStep
from restorebench.corruptions.rooms import draw_room
from restorebench.systems.training.config import CONFIGS, parse
from restorebench.systems.training.task import Progress

RATE, HOP = 16_000, 320
NO_PHONE, NO_UNIT = 255, 65_535
FULL_SCALE = 32_767
CLUSTERED_FRAMES = 100_000
"""k-means is fitted to every n-th frame, with n the largest that leaves at least this many, or to all frames."""
ALIKE = 1e-3
"""Channels whose samples differ by less than this share of full scale are one signal with rounding noise."""
Split = Literal["train", "dev"]


class MaterialConfig(BaseModel):
    """What `gather` collects. `configs/nano/_material.toml` is such a config."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    speech: tuple[CorpusSpec, ...]
    dev: tuple[CorpusSpec, ...]
    noise: str
    noise_split: str = ""
    rirs: str
    rirs_split: str = ""
    simulated_rirs: int = Field(default=160, ge=0)
    t60_s: tuple[float, float] = (0.2, 1.2)
    rir_s: float = 0.8
    """Seconds that each response is cut to; the last tenth of a cut response is faded out."""


@dataclass(frozen=True)
class Recording:
    corpus: str
    id: str
    speaker: str
    licence: str
    split: Split
    samples: int
    """Number of samples before padding."""

    @property
    def frames(self) -> int:
        return -(-self.samples // HOP)


class Material:
    """The arrays of a folder that `gather` or `bundle.unpack` made."""

    def __init__(self, folder: Path) -> None:
        """Raises RequestError when the folder is missing or incomplete."""
        if not (folder / "recordings.json").is_file():
            raise RequestError(f"{folder}: no training material; run: make train-material (or unpack a bundle)")
        self.folder = folder
        listed = json.loads((folder / "recordings.json").read_text(encoding="utf-8"))
        self.recordings = [Recording(**entry) for entry in listed]
        self.starts = np.concatenate([[0], np.cumsum([r.frames for r in self.recordings])])
        """First frame of each recording, and the end."""
        if len(self.speech) != self.starts[-1] * HOP:
            raise RequestError(
                f"{folder}: speech.npy holds {len(self.speech)} samples, recordings.json lists "
                f"{self.starts[-1] * HOP}; remove both files and run: make train-material"
            )

    def _array(self, name: str) -> NDArray[Any]:
        path = self.folder / name
        if not path.is_file():
            raise RequestError(f"{path}: no such file; the training material is incomplete; run: make train-material")
        array: NDArray[Any] = np.load(path, mmap_mode="r")
        return array

    @cached_property
    def speech(self) -> NDArray[np.int16]:
        return self._array("speech.npy")

    @cached_property
    def phones(self) -> NDArray[np.uint8]:
        return self._array("phones.npy")

    @cached_property
    def units(self) -> NDArray[np.uint16]:
        return self._array("units.npy")

    @cached_property
    def noise(self) -> NDArray[np.int16]:
        return self._array("noise.npy")

    @cached_property
    def rirs(self) -> list[NDArray[np.float32]]:
        """Room impulse responses, each a float32 [time] array at 16 kHz."""
        with np.load(self.folder / "rirs.npz") as file:
            return [file[name] for name in sorted(file.files)]

    def audio(self, index: int) -> Audio:
        """The whole recording with this index."""
        first, recording = int(self.starts[index]) * HOP, self.recordings[index]
        samples = self.speech[first : first + recording.samples].astype(np.float32) / np.float32(FULL_SCALE)
        return Audio(samples, RATE)

    def count_without_phones(self) -> int:
        """Number of recordings without a transcript, or with one that could not be aligned."""
        present = np.add.reduceat(self.phones != NO_PHONE, self.starts[:-1])
        return int((present == 0).sum())

    def corpora(self) -> list[dict[str, Any]]:
        """Hours, speakers and licences of each corpus in the training split, for model cards."""
        train = [r for r in self.recordings if r.split == "train"]
        return [
            {
                "corpus": corpus,
                "hours": round(sum(r.samples for r in train if r.corpus == corpus) / RATE / 3600, 2),
                "recordings": count,
                "speakers": sorted({r.speaker for r in train if r.corpus == corpus and r.speaker}),
                "licences": sorted({r.licence for r in train if r.corpus == corpus}),
            }
            for corpus, count in Counter(r.corpus for r in train).items()
        ]


def gather(config: Path, out: Path, progress: Progress) -> Material:
    """Collects the material of a config into `out`. Files that `out` already holds are not made again.

    speech.npy belongs to recordings.json, and centres.npy to units.npy: each pair is made together.
    Raises RequestError when a corpus is missing, and AudioError for a recording that cannot be used.
    """
    wanted: MaterialConfig = parse(MaterialConfig, tomllib.loads(config.read_text(encoding="utf-8")), str(config))
    out.mkdir(parents=True, exist_ok=True)
    texts = _gather_speech(wanted, out, progress)
    material = Material(out)
    if not (out / "noise.npy").is_file():
        noise = [mono(resolve_uri(uri), RATE) for uri in audio_files(wanted.noise, wanted.noise_split)]
        save_array(out / "noise.npy", to_int16(np.concatenate(noise)))
    if not (out / "rirs.npz").is_file():
        with open_atomic(out / "rirs.npz") as part, part.open("wb") as file:
            rirs = {f"{index:04d}": rir for index, rir in enumerate(_build_rirs(wanted, progress))}
            np.savez(file, **rirs)  # type: ignore[arg-type]
    if not (out / "phones.npy").is_file():
        save_array(out / "phones.npy", _align_all(material, texts, progress))
    if not (out / "units.npy").is_file():
        _make_units(material, progress)
    return material


def _gather_speech(wanted: MaterialConfig, out: Path, progress: Progress) -> list[str | None]:
    """Writes speech.npy and recordings.json unless both exist.

    Returns the transcripts in the order of the recordings.
    """
    listed = [(split, spec, u) for split, specs in (("train", wanted.speech), ("dev", wanted.dev)) for spec in specs
              for u in registry.create("corpora", spec.reader, **spec.options).utterances() if u.uri]  # fmt: skip
    if not all((out / name).is_file() for name in ("speech.npy", "recordings.json")):
        recordings: list[Recording] = []
        parts: list[NDArray[np.int16]] = []

        def steps() -> Iterator[int]:
            for split, spec, utterance in listed:
                samples = mono(resolve_uri(utterance.uri or ""), RATE)
                name = str(spec.options.get("under") or spec.options.get("path") or spec.options.get("split"))
                recordings.append(
                    Recording(name, utterance.id, utterance.speaker, utterance.licence, split, len(samples))  # type: ignore[arg-type]
                )
                parts.append(to_int16(np.pad(samples, (0, -len(samples) % HOP))))
                yield 1

        progress("read speech", len(listed), steps())
        save_array(out / "speech.npy", np.concatenate(parts))
        write_atomic(out / "recordings.json", json.dumps([asdict(r) for r in recordings]).encode())
    return [utterance.text for _, _, utterance in listed]


def mono(path: Path, rate: int) -> FloatArray:
    """A recording [time] at `rate`. Raises AudioError when the file is unreadable or empty, or its channels differ."""
    try:
        samples, file_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: {error}") from error
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples; wanted at least one")
    if np.any(np.abs(samples - samples[:, :1]) > ALIKE):
        raise AudioError(f"{path}: {samples.shape[1]} channels that differ; wanted mono")
    return resample(np.ascontiguousarray(samples[:, 0]), file_rate, rate)


def to_int16(samples: FloatArray) -> NDArray[np.int16]:
    return np.round(np.clip(samples, -1.0, 1.0) * FULL_SCALE).astype(np.int16)


def save_array(path: Path, array: NDArray[Any]) -> None:
    with open_atomic(path) as part, part.open("wb") as file:
        np.save(file, array)


def _build_rirs(wanted: MaterialConfig, progress: Progress) -> list[NDArray[np.float32]]:
    """Measured and simulated impulse responses, as `ReverbStep` applies them, cut to `rir_s` with a faded end."""
    measured = [Measured(uri=uri, sha256="") for uri in audio_files(wanted.rirs, wanted.rirs_split)]
    rirs = [start_at_peak(mono(resolve_uri(rir.uri), RATE)) for rir in measured]
    scene = Scene(rate=RATE, seconds=4.0, others=())

    def steps() -> Iterator[int]:
        for index in range(wanted.simulated_rirs):
            room = draw_room(generator("material room", index), scene, wanted.t60_s)
            rirs.append(ReverbStep(rir=room).response(RATE).astype(np.float32))
            yield 1

    progress("simulate rooms", wanted.simulated_rirs, steps())
    length = round(wanted.rir_s * RATE)
    fade = np.minimum(1.0, np.arange(length, 0, -1) / (0.1 * length)).astype(np.float32)
    return [rir[:length] * (fade if len(rir) >= length else 1) for rir in rirs]


def start_at_peak(response: FloatArray) -> FloatArray:
    """The response from its largest peak on, scaled so that this peak is 1."""
    peak = int(np.argmax(np.abs(response)))
    from_peak: FloatArray = (response[peak:] / response[peak]).astype(np.float32)
    return from_peak


def _align_all(material: Material, texts: list[str | None], progress: Progress) -> NDArray[np.uint8]:
    phones = np.full(material.starts[-1], NO_PHONE, dtype=np.uint8)
    with_text = [index for index, text in enumerate(texts) if text]

    def steps() -> Iterator[int]:
        with process_pool() as pool:
            jobs = ((material.folder, index, texts[index] or "") for index in with_text)
            for index, labels in zip(with_text, pool.map(_align, jobs, chunksize=16), strict=True):
                if labels is not None:
                    phones[material.starts[index] : material.starts[index + 1]] = labels
                yield 1

    progress("align phones", len(with_text), steps())
    return phones


def _align(job: tuple[Path, int, str]) -> NDArray[np.uint8] | None:
    """Phone classes [frame] of one recording; None if its transcript cannot be aligned."""
    from restorebench.systems.sise.aligner import align
    from restorebench.systems.sise.phonemes import PhoneSet, frame_labels

    folder, index, text = job
    material = _opened(folder)
    try:
        alignment = align(material.audio(index), text)
    except AudioError:
        return None
    frames = material.recordings[index].frames
    return frame_labels(alignment, PhoneSet(), 0.0, frames, HOP, RATE).astype(np.uint8)


_materials: dict[Path, Material] = {}


def _opened(folder: Path) -> Material:
    """The material in a folder, opened once per worker process."""
    if folder not in _materials:
        _materials[folder] = Material(folder)
    return _materials[folder]


def _make_units(material: Material, progress: Progress) -> None:
    """Whisper features of every recording, 500 k-means centres, and the nearest centre of every frame."""
    import torch

    from restorebench.systems.masksr.teacher import nearest_centre
    from restorebench.systems.masksr.whisper_teacher import CHANNELS, UNITS, WhisperEncoder
    from restorebench.systems.tokenizers.quantizer import kmeans

    scratch = material.folder / "features.part"
    features = np.lib.format.open_memmap(
        scratch, mode="w+", dtype=np.float16, shape=(int(material.starts[-1]), CHANNELS)
    )
    clips = [material.audio(index).samples for index in range(len(material.recordings))]

    def steps() -> Iterator[int]:
        for clip, frame, part in WhisperEncoder().features(clips):
            first = int(material.starts[clip]) + frame
            features[first : first + len(part)] = part
            yield len(part)

    progress("Whisper features (frames)", int(material.starts[-1]), steps())
    stride = max(1, len(features) // CLUSTERED_FRAMES)
    fitted_features = torch.from_numpy(features[::stride].astype(np.float32))
    centres = kmeans(fitted_features, UNITS, torch.Generator().manual_seed(0))
    units = [
        nearest_centre(torch.from_numpy(features[i : i + 8192].astype(np.float32))[None], centres)[0].numpy()
        for i in range(0, len(features), 8192)
    ]
    save_array(material.folder / "centres.npy", centres.numpy())
    save_array(material.folder / "units.npy", np.concatenate(units).astype(np.uint16))
    scratch.unlink()


def default_config() -> Path:
    return CONFIGS / "nano" / "_material.toml"
