"""Sources of training batches: corpora that are read file by file, or material in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.training.config import RunConfig
from restorebench.systems.training.data import Batch, PairStream, collate, indices, loader
from restorebench.systems.training.draws import Draws
from restorebench.systems.training.material import Material
from restorebench.systems.training.prepare import prepared_for
from restorebench.systems.training.recordings import recordings_of, require_not_held_out, speech_of
from restorebench.systems.training.task import Progress, Task

Pairs = Sequence[tuple[Audio, Audio]]
"""(clean, degraded)"""
DEV_S = 8.0
"""Length of a dev clip from material, in seconds."""


class Source(Protocol):
    def batches(self, done: int, rank: int, world: int) -> Iterator[Batch]:
        """Micro-batches of process `rank` of `world`, from step `done` on."""
        ...

    def validation(self) -> list[Batch]:
        """The validation batches: the same clips each time."""
        ...

    def dev_clips(self) -> Pairs:
        """Crops of the validation speech, to be restored and scored. Raises RequestError where there is none."""
        ...

    def card(self) -> list[dict[str, Any]]:
        """The training corpora, for the model's card."""
        ...

    def licences(self) -> list[str]: ...


class CorpusSource:
    """Batches from the corpora of readers: worker processes read and degrade each crop."""

    def __init__(self, run: RunConfig, task: Task, device: torch.device, out: Path, progress: Progress) -> None:
        """Raises RequestError when a corpus is missing, AudioError when the first item cannot be made."""
        self.run, self.task, self.device, self.out, self.progress = run, task, device, out, progress
        self.recordings = speech_of(run, out, progress)
        task.prepare_stream("train", self.recordings, out, progress)
        prepared = prepared_for(run, task, self.recordings, out) if run.data.prepared else None
        self.stream = PairStream(run.data, task.rate, self.recordings, run.seed, "train", prepared, task.extras())
        self.stream[0]  # faults of the data are reported before training starts
        self._validation = self._make_validation()

    def batches(self, done: int, rank: int, world: int) -> Iterator[Batch]:
        training = self.run.training
        order = indices(done, training.batch, training.accumulate, rank, world)
        for batch in loader(self.stream, order, self.run.data.workers):
            yield {key: value.to(self.device) for key, value in batch.items()}

    def validation(self) -> list[Batch]:
        return self._validation

    def _make_validation(self) -> list[Batch]:
        run = self.run
        if not run.data.validation:
            return []
        recordings = recordings_of(run.data.validation, self.out / "recordings-validation.arrow", self.progress)
        self.task.prepare_stream("validation", recordings, self.out, self.progress)
        stream = PairStream(run.data, self.task.rate, recordings, run.seed, "validation", extras=self.task.extras())
        items = [stream[i] for i in range(run.training.validation_clips)]
        size = run.training.batch
        batches = [collate(items[i : i + size]) for i in range(0, len(items), size)]
        return [{key: value.to(self.device) for key, value in batch.items()} for batch in batches]

    def dev_clips(self) -> Pairs:
        """The first crops of validation."""
        batches = self._validation
        clips = [
            (Audio(clean.cpu().numpy(), self.task.rate), Audio(degraded.cpu().numpy(), self.task.rate))
            for batch in batches
            for clean, degraded in zip(batch["clean"], batch["degraded"], strict=True)
        ][: self.run.training.quality_clips]
        if not clips:
            raise RequestError(
                f"{self.run.name}: quality_clips > 0 needs validation clips; name a corpus under [[data.validation]]"
            )
        return clips

    def card(self) -> list[dict[str, Any]]:
        return self.corpora

    @cached_property
    def corpora(self) -> list[dict[str, Any]]:
        """The training corpora as a model's card lists them, each once, without their hours."""
        columns = {name: self.recordings.column(name) for name in ("corpus", "speaker", "licence")}
        corpora: dict[str, dict[str, Any]] = {}
        for corpus, speaker, licence in zip(*columns.values(), strict=True):
            entry = corpora.setdefault(
                corpus, {"corpus": corpus, "recordings": 0, "speakers": set(), "licences": set()}
            )
            entry["recordings"] += 1
            entry["speakers"] |= {speaker} - {""}
            entry["licences"] |= {licence} - {""}
        return [e | {"speakers": sorted(e["speakers"]), "licences": sorted(e["licences"])} for e in corpora.values()]

    def licences(self) -> list[str]:
        return sorted(set(self.recordings.column("licence")) - {""})


class MaterialSource:
    """Batches from material in memory, degraded on the training device."""

    def __init__(self, run: RunConfig, device: torch.device) -> None:
        """Raises RequestError when the material is missing or incomplete, or contains held-out test material."""
        self.run, self.device = run, device
        self.material = Material(Path(run.data.material))
        require_not_held_out(
            run, ((recording.corpus, recording.id, "", recording.speaker) for recording in self.material.recordings)
        )
        self.train = Draws(self.material, run.data, device, run.seed, "train", run.training.batch)
        size = min(run.training.batch, run.training.validation_clips)
        self.dev = Draws(self.material, run.data, device, run.seed, "dev", size)

    def batches(self, done: int, rank: int, world: int) -> Iterator[Batch]:
        """Batch n of the stream goes to process n modulo `world`."""
        number = done * self.run.training.accumulate * world + rank
        while True:
            yield self.train.batch(number)
            number += world

    def validation(self) -> list[Batch]:
        return [self.dev.batch(n) for n in range(-(-self.run.training.validation_clips // self.dev.size))]

    def dev_clips(self) -> Pairs:
        return self.dev.clips(self.run.training.quality_clips, DEV_S)

    def card(self) -> list[dict[str, Any]]:
        return self.material.corpora()

    def licences(self) -> list[str]:
        return sorted({licence for corpus in self.material.corpora() for licence in corpus["licences"]})
