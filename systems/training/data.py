"""Training pairs made on the fly: each crop is degraded, and the pair is brought to the level and length policy.

Item i is the same on every machine and in every process. Crops are drawn by duration, so that each second of speech is
as likely as any other. With prepared features, the crops are the windows whose features were extracted: a window is
degraded as usual, then both sides are lowered by less than 4 dB to the next level at which codes were extracted, so
that the levels of inputs stay close to those at inference.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from restorebench.benchmark import registry
from restorebench.benchmark.audio import settle
from restorebench.benchmark.contracts import Corruption, Scene
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.errors import AudioError, RequestError, reason
from restorebench.benchmark.types import Audio, FloatArray
from restorebench.systems.training.config import DataConfig
from restorebench.systems.training.prepared import LEVELS, PEAKS, Prepared, Window, full_scale, level_below
from restorebench.systems.training.recordings import Recordings

Batch = dict[str, Tensor]
"""clean and degraded [batch, time]; index, padding, recording and start (seconds) [batch]; with prepared features also
codes and taught."""
Extras = Callable[[str, int], dict[str, Any]]
"""(stream, index of an item) -> arrays that are added to the item; picklable, since worker processes call it."""
ATTEMPTS = 20
FIRST_DRAWS, MOST_MISSED = 50, 0.2
"""A run ends when more than the share MOST_MISSED of its draws is unreadable, checked from draw FIRST_DRAWS on."""


class PairStream(Dataset[dict[str, Any]]):
    """The items of the stream `name`; an item is determined by the seed, the name and its index alone."""

    def __init__(
        self, config: DataConfig, rate: int, recordings: Recordings, seed: int, name: str,
        prepared: Prepared | None = None, extras: Extras | None = None,
    ) -> None:  # fmt: skip
        """extras: what the task adds to an item by its index alone, such as masks."""
        if not recordings:
            raise RequestError(f"{name}: no speech to train on; name a corpus under [[data.speech]]")
        self.config, self.rate, self.recordings, self.identity = config, rate, recordings, (name, seed)
        self.ends = np.cumsum(recordings.seconds)
        self.prepared, self.extras = prepared, extras
        # Babble is mixed from plain files only: corruptions cannot read clips within archives.
        self.others: Sequence[str] = () if recordings.any_archived else recordings.uris
        self._corruption: Corruption | None = None
        self.unreadable: set[str] = set()
        self.tried = self.missed = 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        failure = "were silent; are these recordings of speech?"
        for attempt in range(ATTEMPTS):
            self.tried += 1
            try:
                if item := self._item(index, attempt):
                    return item
            except (AudioError, soundfile.LibsndfileError, OSError) as error:
                failure = f"cannot be used, the last because of {self._report_skipped(reason(error))}"
        raise AudioError(f"{ATTEMPTS} draws in a row {failure}")

    def _report_skipped(self, why: str) -> str:
        """Prints why a draw is skipped, each reason once, and returns the reason.

        Raises AudioError when more than the share MOST_MISSED of the draws cannot be read.
        """
        self.missed += 1
        if self.tried >= FIRST_DRAWS and self.missed > MOST_MISSED * self.tried:
            raise AudioError(f"{self.missed} of {self.tried} draws cannot be read, the last because of {why}")
        if why not in self.unreadable:
            self.unreadable.add(why)
            print(f"training: passed over {why} ({len(self.unreadable)} such files so far)", file=sys.stderr)
        return why

    def _item(self, index: int, attempt: int) -> dict[str, Any] | None:
        """One attempt at an item; None if the crop is digital silence, or softer than every prepared level.

        Raises AudioError for a file that cannot be read.
        """
        item: dict[str, Any] = {"index": index}
        rng = generator(*self.identity, index, attempt)
        window, recording_index, start_s = self._draw_position(rng)
        clean, padding = self.recordings[recording_index].crop(start_s, self.config.seconds, self.rate)
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
        position = {"recording": recording_index, "start": start_s, "padding": np.float32(padding)}
        item |= position | {"clean": clean, "degraded": degraded}
        return item if self.extras is None else item | self.extras(self.identity[0], index)

    def _draw_position(self, rng: np.random.Generator) -> tuple[Window | None, int, float]:
        """(prepared window or None, index of the recording, start of the crop in seconds)"""
        if self.prepared is not None:
            window = self.prepared.windows[int(rng.integers(len(self.prepared.windows)))]
            return window, window.recording, window.start_s
        index = int(np.searchsorted(self.ends, rng.uniform(0, self.ends[-1]), side="right"))
        index = min(index, len(self.recordings) - 1)
        return None, index, float(rng.uniform(0, max(self.recordings[index].seconds - self.config.seconds, 0.0)))

    def _degrade(self, rng: np.random.Generator, clean: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self._corruption is None:
            self._corruption = registry.create("corruptions", self.config.corruption, **self.config.options)
        scene = Scene(rate=self.rate, seconds=self.config.seconds, others=self.others)
        pair = settle(self._corruption.render(self._corruption.draw(rng, scene), Audio(clean, self.rate)))
        assert pair.reference is not None
        return pair.reference.samples, pair.degraded.samples


def indices(start: int, batch: int, accumulate: int, rank: int, world: int) -> Iterator[list[int]]:
    """Item indices of a process's micro-batches from step `start` on. Step s begins at index s times items per step."""
    micro = start * accumulate
    while True:
        first = (micro * world + rank) * batch
        yield list(range(first, first + batch))
        micro += 1


class _Guarded(Dataset[dict[str, Any] | str]):
    """Items of a stream; a one-line reason for an item that fails. DataLoader would add a traceback to an exception."""

    def __init__(self, stream: PairStream) -> None:
        self.stream = stream

    def __getitem__(self, index: int) -> dict[str, Any] | str:
        try:
            return self.stream[index]
        except Exception as error:
            return f"training item {index}: {reason(error)}"


def loader(stream: PairStream, batches: Iterator[list[int]], workers: int) -> Iterator[Batch]:
    """Batches in order, made ahead by worker processes. Raises RequestError when an item cannot be made."""
    context = "spawn" if workers else None
    data_loader = DataLoader(
        _Guarded(stream), batch_sampler=batches, num_workers=workers, multiprocessing_context=context,
        collate_fn=_collate, worker_init_fn=_begin_worker,
    )  # fmt: skip
    for batch in data_loader:
        if isinstance(batch, str):
            raise RequestError(batch)
        yield batch


def _collate(items: list[dict[str, Any] | str]) -> Batch | str:
    failures = [item for item in items if isinstance(item, str)]
    return failures[0] if failures else collate([item for item in items if not isinstance(item, str)])


def collate(items: list[dict[str, Any]]) -> Batch:
    return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}


def _begin_worker(_: int) -> None:
    torch.set_num_threads(1)
    # A worker may still be sending a batch when it ends. A torch thread that runs while Python ends aborts the process.
    atexit.register(os._exit, 0)
