"""Training pairs made on the fly: crop, degrade, settle. Item i is the same on every machine, whoever asks for it.

Crops are drawn by duration, so that each second of speech is as likely as any other. With prepared features the crops
are the windows that were extracted. A pair is made as without them; then both sides are lowered, by less than 4 dB, to
the next level that the window's codes were extracted at, so that inputs are as loud as on the fly and at inference.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
from collections.abc import Iterator, Sequence
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
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError, reason
from restorebench.benchmark.suite import CorpusSpec
from restorebench.benchmark.types import Audio, FloatArray, Utterance
from restorebench.systems.training.config import DataConfig, RunConfig
from restorebench.systems.training.prepared import LEVELS, PEAKS, Prepared, Window, full_scale, level_below

Batch = dict[str, Tensor]
"""clean and degraded [batch, time]; index, padding, recording and start (seconds) [batch]; with prepared features also
codes and taught."""
ATTEMPTS = 20


def utterances_of(corpora: tuple[CorpusSpec, ...]) -> list[Utterance]:
    """Every clean recording of the corpora. Raises RequestError."""
    return [
        u for spec in corpora for u in registry.create("corpora", spec.reader, **spec.options).utterances() if u.uri
    ]


def require_not_held_out(run: RunConfig, utterances: Sequence[Utterance]) -> None:
    """Raises RequestError for speech of a test set's speaker, whose files VCTK names p360_001 and so on."""
    if not run.data.held_out:
        return
    named = re.compile(rf"(?:^|/)({'|'.join(map(re.escape, run.data.held_out))})_\d{{3}}")
    found = [u.uri for u in utterances if u.uri and named.search(u.uri)]
    if found:
        raise RequestError(
            f"{run.name}: {len(found)} recordings are of speakers that test sets hold out ({found[0]}); leave them "
            "out, or set held_out = [] under [data]"
        )


@dataclass(frozen=True)
class Recording:
    uri: str
    rate: int
    frames: int

    @classmethod
    def of(cls, utterance: Utterance) -> Recording:
        assert utterance.uri is not None
        info = soundfile.info(str(resolve_uri(utterance.uri)))
        if info.channels != 1 or info.frames == 0:
            raise RequestError(f"{utterance.uri}: {info.channels} channels, {info.frames} samples; wanted mono speech")
        return cls(utterance.uri, info.samplerate, info.frames)

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def crop(self, start_s: float, seconds: float, rate: int) -> tuple[FloatArray, float]:
        """`seconds` of the recording at `rate`, and the share of it that is padding on the right."""
        start, count = samples_for(start_s, self.rate), samples_for(seconds, self.rate)
        with soundfile.SoundFile(resolve_uri(self.uri)) as file:
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
        self.unreadable: set[str] = set()

    def __getitem__(self, index: int) -> dict[str, Any]:
        why = "crops of silence; are these recordings of speech?"
        for attempt in range(ATTEMPTS):
            try:
                if item := self._item(index, attempt):
                    return item
            except (AudioError, soundfile.LibsndfileError, OSError) as error:
                why = f"items that cannot be read, the last because of {self._skipped(reason(error))}"
        raise AudioError(f"in a row {ATTEMPTS} {why}")

    def _skipped(self, why: str) -> str:
        """Speech, noise and rooms that cannot be read are passed over, and each is named once."""
        if why not in self.unreadable:
            self.unreadable.add(why)
            print(f"training: passed over {why} ({len(self.unreadable)} such files so far)", file=sys.stderr)
        return why

    def _item(self, index: int, attempt: int) -> dict[str, Any] | None:
        """One try; None for a crop of digital silence, or softer than what was prepared.

        Raises AudioError for a file that cannot be read.
        """
        item: dict[str, Any] = {"index": index}
        rng = generator(*self.identity, index, attempt)
        window, place, start_s = self._place(rng)
        clean, padding = self.recordings[place].crop(start_s, self.config.seconds, self.rate)
        if not np.any(clean):
            return None
        degraded = clean
        if window is not None and self.prepared is not None:
            unit = full_scale(clean)
            clean, degraded = self._degrade(rng, unit) if self.config.corruption else (unit, unit)
            peak = float(np.dot(clean, unit) / np.dot(unit, unit))
            level = level_below(peak) if self.config.corruption else int(rng.integers(LEVELS))
            if level is None:
                return None
            clean, degraded = unit * np.float32(PEAKS[level]), degraded * np.float32(PEAKS[level] / peak)
            item |= self.prepared.features(window, level)
        elif self.config.corruption:
            clean, degraded = self._degrade(rng, clean)
        where = {"recording": place, "start": start_s, "padding": np.float32(padding)}
        return item | where | {"clean": clean, "degraded": degraded}

    def _place(self, rng: np.random.Generator) -> tuple[Window | None, int, float]:
        """(prepared window, number of the recording, seconds where the crop begins)"""
        if self.prepared is not None:
            window = self.prepared.windows[int(rng.integers(len(self.prepared.windows)))]
            return window, window.recording, window.start_s
        place = int(np.searchsorted(self.ends, rng.uniform(0, self.ends[-1]), side="right"))
        place = min(place, len(self.recordings) - 1)
        return None, place, float(rng.uniform(0, max(self.recordings[place].seconds - self.config.seconds, 0.0)))

    def _degrade(self, rng: np.random.Generator, clean: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self._corruption is None:
            self._corruption = registry.create("corruptions", self.config.corruption, **self.config.options)
        scene = Scene(rate=self.rate, seconds=self.config.seconds, others=self.others)
        pair = settle(self._corruption.render(self._corruption.draw(rng, scene), Audio(clean, self.rate)))
        assert pair.reference is not None
        return pair.reference.samples, pair.degraded.samples


def indices(start: int, batch: int, accumulate: int, rank: int, world: int) -> Iterator[list[int]]:
    """Micro-batches from step `start` on. A step's items do not depend on how many processes share them."""
    micro = start * accumulate
    while True:
        first = (micro * world + rank) * batch
        yield list(range(first, first + batch))
        micro += 1


class _Guarded(Dataset[dict[str, Any] | str]):
    """Items, or one line that says what is wrong: an exception would lose itself in a worker's traceback."""

    def __init__(self, stream: PairStream) -> None:
        self.stream = stream

    def __getitem__(self, index: int) -> dict[str, Any] | str:
        try:
            return self.stream[index]
        except Exception as error:
            return f"training item {index}: {reason(error)}"


def loader(stream: PairStream, batches: Iterator[list[int]], workers: int) -> Iterator[Batch]:
    """Batches in order, made ahead by worker processes. Raises RequestError when one cannot be made."""
    context = "spawn" if workers else None
    made = DataLoader(
        _Guarded(stream), batch_sampler=batches, num_workers=workers, multiprocessing_context=context,
        collate_fn=_collate, worker_init_fn=_begin_worker,
    )  # fmt: skip
    for batch in made:
        if isinstance(batch, str):
            raise RequestError(batch)
        yield batch


def _collate(items: list[dict[str, Any] | str]) -> Batch | str:
    wrong = [item for item in items if isinstance(item, str)]
    return wrong[0] if wrong else collate([item for item in items if not isinstance(item, str)])


def collate(items: list[dict[str, Any]]) -> Batch:
    return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}


def _begin_worker(_: int) -> None:
    torch.set_num_threads(1)
    # A worker that is told to end may still be sending a batch, and a thread within torch while Python ends aborts it.
    atexit.register(os._exit, 0)
