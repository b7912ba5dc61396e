"""The training loop: Fabric handles devices and precision, a task defines the model, its losses and its checkpoint.

Generators are seeded by the run's seed and the step, batch or item, so a resumed run continues bit for bit, and the
drawn pairs do not depend on how many processes share a step. `torchrun --nproc-per-node N -m restorebench train ...`
trains on N devices.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from restorebench.benchmark.core import provenance
from restorebench.benchmark.core.atomic import open_atomic, write_atomic
from restorebench.benchmark.core.seeds import integer
from restorebench.benchmark.errors import RequestError
from restorebench.systems.training.checkpoint import save
from restorebench.systems.training.config import RunConfig, load_config
from restorebench.systems.training.data import Batch
from restorebench.systems.training.distributed import shutdown
from restorebench.systems.training.log import Log
from restorebench.systems.training.quality import best_before, quality
from restorebench.systems.training.sources import CorpusSource, MaterialSource, Source
from restorebench.systems.training.task import Progress, Task, make_task


@dataclass(frozen=True)
class Trained:
    checkpoint: Path
    done: int
    """Number of steps done."""
    planned: int
    """Number of steps in the config."""


def train(
    config: str | Path | RunConfig, out: Path, resume: bool, minutes: float | None, progress: Progress
) -> Trained:
    """Trains until the config's steps are done, the minutes are over, or Ctrl-C is pressed.

    Raises RequestError for a config that cannot be run, or a folder that holds another run.
    """
    trained = _train(config if isinstance(config, RunConfig) else load_config(config), out, resume, minutes, progress)
    shutdown()
    return trained


def _train(run: RunConfig, out: Path, resume: bool, minutes: float | None, progress: Progress) -> Trained:
    fabric = launch_fabric(run)
    torch.manual_seed(run.seed)  # the same initial weights in every process
    task = make_task(run)
    if run.data.material:
        source: Source = MaterialSource(run, fabric.device)
    else:
        source = CorpusSource(run, task, fabric.device, out, progress)
    task.setup(fabric)
    done = load_state(out, run, task, resume, fabric.world_size)
    session = Session(run, task, fabric, out, source, done, minutes)
    session.go(progress)
    return Trained(out / "model.safetensors", session.done, run.training.steps)


def launch_fabric(run: RunConfig) -> Any:
    """Fabric on every process that torchrun started, or on this one alone."""
    from lightning_fabric import Fabric

    world = int(os.environ.get("WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        num_nodes=world // int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        strategy="ddp" if world > 1 else "auto",
        precision=run.training.precision,
    )
    fabric.launch()
    return fabric


class Session:
    """One session of a run: training from step `done` until the run ends or is interrupted."""

    def __init__(
        self, run: RunConfig, task: Task, fabric: Any, out: Path, source: Source, done: int, minutes: float | None
    ) -> None:
        self.run, self.task, self.fabric, self.out = run, task, fabric, out
        self.source, self.done, self.minutes = source, done, minutes
        self.validation = source.validation()
        self.first = fabric.is_global_zero
        self.log = Log(out, done) if self.first else None
        self.start = self.first_step = time.monotonic()
        self.latest: dict[str, float] = {}
        self.best = best_before(out) if done else -math.inf
        self.stopping = False

    @property
    def seconds(self) -> float:
        """Seconds of training, those before a resume included."""
        return (self.log.seconds_before if self.log is not None else 0.0) + time.monotonic() - self.start

    def go(self, progress: Progress) -> None:
        left = self.run.training.steps - self.done
        minutes, steps = self.minutes, self.steps()
        with self.interrupts_at_step_ends():
            try:
                if not self.first:
                    for _ in steps:
                        pass
                elif minutes is None:
                    progress("train", left, (1 for _ in steps))
                else:
                    progress("train (seconds)", round(60 * minutes), whole_seconds(steps, round(60 * minutes)))
            finally:
                if self.log is not None:
                    self.log.close()

    @contextmanager
    def interrupts_at_step_ends(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM ends the run after the current step, with a checkpoint; a second aborts it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def stop(*_: object) -> None:
            self.stopping = True
            restore_handlers()

        def restore_handlers() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            restore_handlers()

    def steps(self) -> Iterator[None]:
        training, fabric = self.run.training, self.fabric
        batches = self.source.batches(self.done, fabric.global_rank, fabric.world_size)
        pending: list[dict[str, Any]] = []
        if self.done == 0 and training.steps > 0:
            first = next(batches)
            self.task.on_first_batch(first)
            batches = chain_first(first, batches)
            self.validate()
        self.first_step = time.monotonic()
        while self.done < training.steps:
            micro_batches = list(islice(batches, training.accumulate))
            torch.manual_seed(integer("dropout", self.run.seed, self.done, fabric.global_rank))
            if training.horizon == "minutes" and self.minutes:
                self.task.elapsed = self.seconds / (60 * self.minutes)
            values = self.task.step(micro_batches, self.done)
            values["padding"] = torch.stack([batch["padding"].mean() for batch in micro_batches]).mean()
            pending.append(values)
            self.done += 1
            signalled = self.any_process(self.stopping)
            stop = signalled or self.out_of_time()
            validating = self.done == training.steps or self.done % training.validate_every == 0
            if stop or validating or self.done % training.log_every == 0:
                self.write("train", self.finite(self.mean(pending)))
                pending = []
            if validating or (stop and not signalled):
                self.validate()
            if validating or stop:
                self.save()
            yield
            if stop:
                return

    def finite(self, values: dict[str, float]) -> dict[str, float]:
        """Returns the values unchanged. Raises RequestError before a checkpoint is written if a value is not finite."""
        broken = sorted(name for name, value in values.items() if not math.isfinite(value))
        if broken:
            raise RequestError(
                f"{self.run.name}: {', '.join(broken)} not finite at step {self.done}; the last checkpoint in "
                f"{self.out} is whole: lower the rate, or set clip or warm_up under [training]"
            )
        return values

    def any_process(self, condition: bool) -> bool:
        """Whether `condition` holds in any process: a signal may reach only one process, but all must stop together."""
        if self.fabric.world_size == 1:
            return condition
        count = self.fabric.all_reduce(torch.tensor(float(condition), device=self.fabric.device), reduce_op="sum")
        assert isinstance(count, torch.Tensor)
        return bool(count > 0)

    def out_of_time(self) -> bool:
        """Whether the first process has used up its minutes. The first process decides for all, so that all stop at
        the same step. The first validation is not counted."""
        over = self.minutes is not None and time.monotonic() - self.first_step > 60 * self.minutes
        return bool(self.fabric.broadcast(over))

    def mean(self, pending: list[dict[str, Any]]) -> dict[str, float]:
        """The mean of each value over steps and processes."""
        names = sorted({name for values in pending for name in values})
        device = self.fabric.device
        means = torch.stack(
            [torch.stack([v[name].float().to(device) for v in pending if name in v]).mean() for name in names]
        )
        reduced = self.fabric.all_reduce(means, reduce_op="mean")
        return dict(zip(names, reduced.tolist(), strict=True))

    def write(self, split: str, values: dict[str, float]) -> None:
        if self.log is not None:
            self.log.add(self.done, self.seconds, split, values)

    def validate(self) -> None:
        """Every process validates all clips, so values need no averaging; only the first makes audio and `quality`."""
        if not self.validation:
            return
        self.latest = {name: float(value) for name, value in self.task.validate(self.validation).items()}
        if self.first and self.run.training.quality_clips:
            self.latest |= quality(self.source.dev_clips(), self.task.restorer(), self.fabric.device)
            if self.done and self.latest["composite"] > self.best:
                self.best = self.latest["composite"]
                save(self.out / "best.safetensors", replace(self.task.export(), card=self.card()))
        self.write("validation", self.latest)
        if self.log is not None:
            self.log.draw()
        if self.log is not None and self.run.training.listen:
            batch = {key: value[: self.run.training.listen] for key, value in self.validation[0].items()}
            for name, audio in self.task.sample_audio(batch):
                self.log.listen(self.done, name, audio)

    def save(self) -> None:
        if self.first:
            config = self.run.model_dump(mode="json")
            save(self.out / "model.safetensors", replace(self.task.export(), card=self.card()))
            with open_atomic(self.out / "state.pt") as part:
                facts = {"step": self.done, "config": config, **conditions(self.run, self.task, self.fabric.world_size)}
                torch.save({**facts, "task": self.task.state()}, part)
            write_atomic(self.out / "config.json", json.dumps(config, indent=1).encode())
            every = self.run.training.keep_every
            if every and self.done % every == 0:
                save(self.out / f"step-{self.done:07d}.safetensors", replace(self.task.export(), card=self.card()))
        self.fabric.barrier()

    def card(self) -> dict[str, Any]:
        data = self.run.data
        return {
            "name": self.run.name,
            "steps": self.done,
            "clips_seen": self.done * self.run.training.batch * self.run.training.accumulate * self.fabric.world_size,
            "minutes": round(self.seconds / 60, 1),
            "speech": self.source.card(),
            "corruption": {"name": data.corruption, "options": data.options},
            "licences_of_the_data": self.source.licences(),
            "licence": "MIT; the data's licences ask for attribution" if self.source.licences() else "MIT",
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "machine": machine(self.fabric.device, self.fabric.world_size),
            **({"started_from": self.task.started_from} if self.task.started_from else {}),
            "metrics": self.latest,
        }


def machine(device: torch.device, processes: int) -> str:
    """The hardware of a run: number and name of the GPUs, or the processor with processes x threads."""
    if device.type == "cuda":
        return f"{processes} x {torch.cuda.get_device_name(device)}"
    return f"{provenance.processor()}, {processes} x {torch.get_num_threads()} threads"


def conditions(run: RunConfig, task: Task, world: int) -> dict[str, Any]:
    """Conditions, besides the config, that must be the same when a run is resumed. The number of processes that share
    a step's clips may change, although it affects rounding, dropout and the number of clips per batch normalisation."""
    clips = run.training.batch * run.training.accumulate * world
    return {"features": task.features_identity(), "clips of a step": clips}


def load_state(out: Path, run: RunConfig, task: Task, resume: bool, world: int) -> int:
    """Loads the task's state, if there is one, and returns the steps done.

    Raises RequestError when the folder holds a run and `resume` is false, when it holds no run and `resume` is true, or
    when the run has other settings.
    """
    path = out / "state.pt"
    if not path.is_file():
        if resume:
            raise RequestError(f"{path}: no such file; there is no run to resume, leave --resume out")
        return 0
    if not resume:
        raise RequestError(f"{out}: holds a run already; add --resume to go on, or name another folder with --out")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RequestError(f"{path}: cannot be read ({type(error).__name__}); remove it and start again") from error
    before, now = state["config"], run.model_dump(mode="json")
    differing = sorted(
        f"{table}.{key}"
        for table in ("model", "tokenizer", "teacher", "losses", "labels", "data", "training")
        for key in {*before[table], *now[table]}
        if before[table].get(key) != now[table].get(key) and (table, key) not in changeable(run)
    )
    if differing or (before["kind"], before["seed"]) != (now["kind"], now["seed"]):
        raise RequestError(
            f"{out}: was started with other settings ({', '.join(differing) or 'kind, seed'}); "
            "use the same config, or name another folder with --out"
        )
    if "processes" in state:  # a file of an earlier version
        state["clips of a step"] = before["training"]["batch"] * before["training"]["accumulate"] * state["processes"]
    for name, current in conditions(run, task, world).items():
        if state[name] != current:
            raise RequestError(
                f"{out}: was started with other {name} ({state[name] or 'none'}, now {current or 'none'}); resume with "
                "the same tokenizer, teacher and batch x accumulate x processes, or name another folder with --out"
            )
    task.load_state(state["task"])
    return int(state["step"])


def changeable(run: RunConfig) -> set[tuple[str, str]]:
    """Settings that may differ when a run is resumed, since they do not affect the weights. The product of batch,
    accumulate and the number of processes does affect them: `conditions` requires that it stays the same."""
    always = {("training", name) for name in ("log_every", "listen", "batch", "accumulate", "keep_every")}
    always |= {("data", "workers"), ("data", "held_out"), ("data", "held_out_noise")}
    return always | ({("training", "steps")} if run.training.decay == "constant" else set())


def chain_first(first: Batch, rest: Iterator[Batch]) -> Iterator[Batch]:
    yield first
    yield from rest


def whole_seconds(steps: Iterator[None], total: int) -> Iterator[int]:
    """Progress in seconds: the whole seconds since the previous value."""
    start, reported = time.monotonic(), 0
    for _ in steps:
        elapsed = min(total, int(time.monotonic() - start))
        yield elapsed - reported
        reported = elapsed
    yield total - reported
