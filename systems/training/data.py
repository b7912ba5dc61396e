"""Training pairs made on the fly: crop, degrade, settle. Item i is the same on every machine, whoever asks for it.

Crops are drawn by duration, so that each second of speech is as likely as any other. With prepared features the crops
are the windows that were extracted, and the degraded side is brought back to the level of the clean file, because codes
of another level are other codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from restorebench.benchmark import registry
from restorebench.benchmark.audio import fit, resample, samples_for, settle
from restorebench.benchmark.contracts import Corruption, Scene
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.locations import resolve
from restorebench.benchmark.seeds import generator
from restorebench.benchmark.suite import CorpusSpec
from restorebench.benchmark.types import Audio, FloatArray, Utterance
from restorebench.systems.training.config import DataConfig
from restorebench.systems.training.prepared import Prepared, Window

Batch = dict[str, Tensor]
"""clean and degraded [batch, time], index and padding [batch]; with prepared features also codes and taught."""
ATTEMPTS = 20


def utterances_of(corpora: tuple[CorpusSpec, ...]) -> list[Utterance]:
    """Every clean recording of the corpora. Raises RequestError."""
    return [u for spec in corpora for u in registry.make("corpora", spec.reader, **spec.options).utterances() if u.uri]


@dataclass(frozen=True)
class Recording:
    uri: str
    rate: int
    frames: int

    @classmethod
    def of(cls, utterance: Utterance) -> Recording:
        assert utterance.uri is not None
        info = soundfile.info(str(resolve(utterance.uri)))
        if info.channels != 1 or info.frames == 0:
            raise RequestError(f"{utterance.uri}: {info.channels} channels, {info.frames} samples; wanted mono speech")
        return cls(utterance.uri, info.samplerate, info.frames)

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def crop(self, start_s: float, seconds: float, rate: int) -> tuple[FloatArray, float]:
        """`seconds` of the recording at `rate`, and the share of it that is padding on the right."""
        start, count = samples_for(start_s, self.rate), samples_for(seconds, self.rate)
        with soundfile.SoundFile(resolve(self.uri)) as file:
            file.seek(min(start, self.frames))
            read = file.read(count, dtype="float32")
        made = fit(resample(read, self.rate, rate), samples_for(seconds, rate))
        return made, 1 - len(read) / count


class PairStream(Dataset[dict[str, Any]]):
    """Item `index` of the stream `name`; the seed, the name and the index decide it alone."""

    def __init__(
        self, config: DataConfig, rate: int, recordings: list[Recording], seed: int, name: str,
        prepared: Prepared | None = None,
    ) -> None:  # fmt: skip
        if not recordings:
            raise RequestError(f"{name}: no speech to train on; name a corpus under [[data.speech]]")
        self.config, self.rate, self.recordings, self.identity = config, rate, recordings, (name, seed)
        self.ends = np.cumsum([r.seconds for r in recordings])
        self.prepared = prepared
        self.others = tuple(r.uri for r in recordings)
        self._corruption: Corruption | None = None

    def __getitem__(self, index: int) -> dict[str, Any]:
        item: dict[str, Any] = {"index": index}
        for attempt in range(ATTEMPTS):
            rng = generator(*self.identity, index, attempt)
            window, clean, padding = self._draw(rng)
            if np.any(clean):
                break
        else:
            raise AudioError(f"{ATTEMPTS} crops of silence in a row; are these recordings of speech?")
        if self.prepared is not None:
            assert window is not None
            item |= self.prepared.features(window)
        degraded = clean
        if self.config.corruption:
            clean, degraded = self._degrade(rng, clean, keep_level=self.prepared is not None)
        return item | {"clean": clean, "degraded": degraded, "padding": np.float32(padding)}

    def _draw(self, rng: np.random.Generator) -> tuple[Window | None, FloatArray, float]:
        if self.prepared is not None:
            window = self.prepared.windows[int(rng.integers(len(self.prepared.windows)))]
            return window, *self.recordings[window.recording].crop(window.start_s, self.config.seconds, self.rate)
        place = int(np.searchsorted(self.ends, rng.uniform(0, self.ends[-1]), side="right"))
        recording = self.recordings[min(place, len(self.recordings) - 1)]
        start = rng.uniform(0, max(recording.seconds - self.config.seconds, 0.0))
        return None, *recording.crop(start, self.config.seconds, self.rate)

    def _degrade(self, rng: np.random.Generator, clean: FloatArray, keep_level: bool) -> tuple[FloatArray, FloatArray]:
        if self._corruption is None:
            self._corruption = registry.make("corruptions", self.config.corruption, **self.config.options)
        scene = Scene(rate=self.rate, seconds=self.config.seconds, others=self.others)
        pair = settle(self._corruption.render(self._corruption.draw(rng, scene), Audio(clean, self.rate)))
        assert pair.reference is not None
        if not keep_level:
            return pair.reference.samples, pair.degraded.samples
        gain = float(np.dot(pair.reference.samples, clean) / np.dot(clean, clean))
        return clean, (pair.degraded.samples / gain).astype(np.float32)


def indices(start: int, batch: int, accumulate: int, rank: int, world: int) -> Iterator[list[int]]:
    """Micro-batches from step `start` on. A step's items do not depend on how many processes share them."""
    micro = start * accumulate
    while True:
        first = (micro * world + rank) * batch
        yield list(range(first, first + batch))
        micro += 1


def loader(stream: PairStream, batches: Iterator[list[int]], workers: int) -> Iterator[Batch]:
    """Batches in order, made ahead by worker processes."""
    context = "spawn" if workers else None
    yield from DataLoader(
        stream, batch_sampler=batches, num_workers=workers, multiprocessing_context=context,
        collate_fn=collate, worker_init_fn=_one_thread,
    )  # fmt: skip


def collate(items: list[dict[str, Any]]) -> Batch:
    return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
