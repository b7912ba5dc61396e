"""What the loop trains: a task defines model, losses and checkpoint; the loop handles steps, time and files."""

from __future__ import annotations

import copy
import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.registry import unknown
from restorebench.benchmark.types import Audio
from restorebench.systems.training import TASKS
from restorebench.systems.training.checkpoint import Checkpoint
from restorebench.systems.training.config import TASK_TABLES, RunConfig, TrainingConfig
from restorebench.systems.training.data import Batch, Extras
from restorebench.systems.training.prepared import Column
from restorebench.systems.training.recordings import Recordings

Progress = Callable[[str, int, Iterator[int]], None]
Values = dict[str, Tensor]
Model = TypeVar("Model", bound=nn.Module)


class Task(ABC):
    """A task is made from a config alone; `setup` prepares its models with Fabric. `rate` is the sample rate."""

    kind: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]
    """The tables of a config that the task reads, among those of `TASK_TABLES`."""
    rate: int
    elapsed: float | None = None
    """Elapsed share of the run's minutes, set by the loop where the learning rate depends on it; else None."""
    started_from: Mapping[str, Any] | None = None
    """Name, steps, minutes, machine and commit of the checkpoint that training started from, for the card."""

    def __init__(self, config: RunConfig) -> None:
        """Raises RequestError for settings that would have no effect."""
        if unread := [name for name in TASK_TABLES if getattr(config, name) and name not in self.tables]:
            raise RequestError(
                f"{config.name}: [{unread[0]}] has settings, but kind = {self.kind!r} reads only "
                f"{', '.join(self.tables)}; remove [{unread[0]}]"
            )
        self.config = config

    def prepare_stream(self, stream: str, recordings: Recordings, folder: Path, progress: Progress) -> None:  # noqa: B027
        """Called for corpora before anything is read from a stream (`train`, `validation`). A batch's `recording` is an
        index of `recordings`; `folder` is the run's folder."""

    def extras(self) -> Extras | None:
        """The function that workers call to add arrays to an item by its index, or None."""
        return None

    @abstractmethod
    def setup(self, fabric: Any) -> None: ...

    def on_first_batch(self, batch: Batch) -> None:  # noqa: B027  # most tasks need nothing here
        """Called once on a fresh run with the first batch, before the first step."""

    @abstractmethod
    def step(self, micro_batches: Sequence[Batch], step: int) -> Values:
        """Makes one optimiser step. Returns the values to log, as means over this process's clips."""

    @abstractmethod
    def validate(self, batches: Sequence[Batch]) -> Values: ...

    @abstractmethod
    def sample_audio(self, batch: Batch) -> list[tuple[str, Audio]]:
        """(name, sound) pairs to listen to, made from the clips of one validation batch."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as plain data and tensors."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def export(self) -> Checkpoint:
        """What inference needs, without a card."""

    def restorer(self) -> Callable[[Tensor], Tensor]:
        """Function from audio [batch, time] to restored audio of the same shape, for `quality`. Raises RequestError."""
        raise RequestError(
            f"{self.config.name}: a model of kind {self.kind!r} restores no speech; "
            "set quality_clips = 0 under [training]"
        )

    def columns(self) -> dict[str, Column]:
        """Name in a batch -> features that can be extracted from clean audio ahead of training."""
        return {}

    def features(self, clean: Tensor, column: str) -> Tensor:
        """The features of one column, extracted from clean audio [batch, time]."""
        raise NotImplementedError(column)

    def features_identity(self) -> str:
        """Identity of the tokenizer and the teacher, which determine every target of a step."""
        return ""

    def place(self, device: torch.device) -> None:  # noqa: B027
        """Moves the models that `features` needs to a device."""


class SingleModelTask(Task, Generic[Model]):
    """A task with one module and one Adam optimiser, with gradient accumulation, gradient clipping, a learning-rate
    schedule and an exponential moving average."""

    module: Model

    def setup(self, fabric: Any) -> None:
        training = self.config.training
        optimiser = torch.optim.Adam(
            self.module.parameters(), lr=training.rate, betas=training.betas, fused=fabric.device.type == "cuda"
        )
        self.fabric = fabric
        self.wrapped, self.optimiser = fabric.setup(self.module, optimiser)
        self.average = ema_copy(self.module) if training.ema else None

    @property
    def eval_model(self) -> Model:
        """The weights that are validated and saved."""
        return self.module if self.average is None else self.average

    def to_examples(self, batch: Batch) -> Batch:
        """The inputs of `losses`, such as targets and masks. They are computed without gradient."""
        return batch

    def count(self, examples: Batch) -> Tensor:
        """Number of terms in the main loss; the loss is divided by the total over processes and micro-batches."""
        return torch.tensor(len(examples["clean"]), device=examples["clean"].device)

    @abstractmethod
    def losses(self, model: nn.Module, examples: Batch, share: Tensor) -> tuple[Tensor, Values]:
        """The loss to minimise and values to log.

        `share` scales a sum over these examples' terms to their part of the mean over all processes and micro-batches,
        times the number of processes, since gradients are averaged over processes.
        """

    def after_step(self, examples: Sequence[Batch], step: int) -> Values:
        return {}

    def step(self, micro_batches: Sequence[Batch], step: int) -> Values:
        training = self.config.training
        with torch.no_grad():
            examples = [self.to_examples(batch) for batch in micro_batches]
            total = torch.stack([self.count(example) for example in examples]).sum().float()
            total = self.fabric.all_reduce(total, reduce_op="sum")
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(training, step, self.elapsed)
        self.wrapped.train()
        self.optimiser.zero_grad()
        values: Values = {}
        for index, example in enumerate(examples):
            with self.fabric.no_backward_sync(self.wrapped, enabled=index < len(examples) - 1):
                loss, parts = self.losses(self.wrapped, example, self.fabric.world_size / total)
                self.fabric.backward(loss)
            for name, value in parts.items():
                values[name] = values.get(name, 0.0) + value.detach()
        if training.clip:
            values["gradient"] = self.fabric.clip_gradients(
                self.wrapped, self.optimiser, max_norm=training.clip, error_if_nonfinite=False
            ).detach()
        self.optimiser.step()
        if self.average is not None:
            update_ema(self.average, self.module, min(training.ema, (1 + step) / (10 + step)))
        return values | self.after_step(examples, step)

    def state(self) -> dict[str, Any]:
        return {
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])


def learning_rate(training: TrainingConfig, step: int, elapsed: float | None = None) -> float:
    """Linear warm-up, then constant, or a cosine or an exponential down to `final`.

    step counts from 0; elapsed is the share of the minutes that has passed, None to decay over the steps.
    """
    warm = min(1.0, (step + 1) / training.warm_up) if training.warm_up else 1.0
    if training.decay == "constant":
        return training.rate * warm
    done = min(1.0, step / training.steps if elapsed is None else elapsed)
    if training.decay == "exponential":
        return training.rate * warm * float(training.final**done)
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return training.rate * warm * (training.final + (1 - training.final) * cosine)


def ema_copy(module: Model) -> Model:
    """A deep copy of a module.

    The weights of DAC's weight-normalised layers are detached first, since torch cannot copy them with their gradient
    graph; each forward pass computes them anew.
    """
    for part in module.modules():
        if "weight_g" in part._parameters:
            part.weight = part.weight.detach()  # type: ignore[operator]
    return copy.deepcopy(module)


@torch.no_grad()
def update_ema(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Updates the exponential moving average of the module's parameters; buffers are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - decay)
    for averaged, current in zip(average.buffers(), module.buffers(), strict=True):
        averaged.copy_(current)


def make_task(config: RunConfig) -> Task:
    """The task that a config's `kind` names. Raises RequestError."""
    if config.kind not in TASKS:
        raise unknown("kinds of training", config.kind, sorted(TASKS))
    module, _, attribute = TASKS[config.kind].partition(":")
    task: Task = getattr(importlib.import_module(module), attribute)(config)
    return task
