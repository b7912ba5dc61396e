"""A training run as TOML: what is trained, on which speech, how it is degraded, and for how long.

A file with `extends = "other.toml"` (or a bundled name) starts from the tables of that file and overrides them key by
key. `model`, `tokenizer`, `teacher`, `sampling`, `losses` and `labels` are read by the task that `kind` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from restorebench.benchmark.core.text import read_toml
from restorebench.benchmark.data.corpora.catalogue import VCTK_HELD_OUT
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.registry import unknown
from restorebench.benchmark.suite import CorpusSpec

Parsed = TypeVar("Parsed", bound=BaseModel)
CONFIGS = Path(__file__).parent / "configs"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(_Table):
    seconds: float = Field(default=4.0, gt=0)
    """Length of a training crop; short recordings are padded with zeros on the right."""
    material: str = ""
    """Folder of in-memory training material (`material.py`), relative to the working folder. It replaces `speech` and
    `validation` by its own splits, and crops are degraded on the training device."""
    speech: tuple[CorpusSpec, ...] = ()
    validation: tuple[CorpusSpec, ...] = ()
    held_out: tuple[str, ...] = VCTK_HELD_OUT
    """VCTK speakers of test sets: a corpus with one of their files is refused. Empty: no speaker is refused."""
    held_out_noise: tuple[str, ...] = ("demand",)
    """Lower-case substrings of the paths of noise files that test sets hold out: a noise folder with such a file is
    refused. Empty: no noise is refused."""
    corruption: str = "voicefixer"
    """Name of the corruption; empty for a task that is trained on clean speech only."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the corruption."""
    prepared: str = ""
    """Folder of codes and teacher targets extracted ahead of training (`--prepare`), relative to the run's folder.
    Runs can share it: runs with the same tokenizer share codes, runs with the same teacher share targets."""
    workers: int = Field(default=1, ge=0)


class TrainingConfig(_Table):
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    """Clips per process and micro-batch."""
    accumulate: int = Field(default=1, ge=1)
    """Micro-batches per step."""
    rate: float = Field(default=1e-4, gt=0)
    """Adam's learning rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    warm_up: int = Field(default=0, ge=0)
    """Steps of linear warm-up."""
    decay: Literal["constant", "cosine", "exponential"] = "constant"
    horizon: Literal["steps", "minutes"] = "steps"
    """Time axis of a cosine or exponential decay: the steps, or the minutes given to the run, for machines of unknown
    speed. Only `steps` gives the same weights every time."""
    final: float = Field(default=0.0, ge=0, le=1)
    """Final learning rate of a cosine or exponential decay, as a share of `rate`."""
    clip: float = Field(default=0.0, ge=0)
    """Largest norm of the gradient; 0: unlimited."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which is validated and saved. The decay is
    smaller in the first steps. 0: no average."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    log_every: int = Field(default=10, ge=1)
    validate_every: int = Field(default=200, ge=1)
    """Steps between validations; a checkpoint is written with each."""
    validation_clips: int = Field(default=32, ge=1)
    quality_clips: int = Field(default=0, ge=0)
    """Number of dev clips that are restored and scored by DNSMOS and LSD at each validation; the checkpoint with the
    highest `quality.composite` is kept as best.safetensors. The clips are 8 s crops of the material's dev split, or,
    with corpora, crops of `validation`."""
    keep_every: int = Field(default=0, ge=0)
    """Steps between checkpoints that are kept as step-0005000.safetensors; a multiple of `validate_every`. 0: none."""
    listen: int = Field(default=2, ge=0)
    """Number of validation clips that are restored and written as audio."""

    @model_validator(mode="after")
    def _require_final_for_exponential(self) -> Self:
        if self.decay == "exponential" and not self.final:
            raise ValueError("final = 0; an exponential decay needs final above 0 (final learning rate / `rate`)")
        return self


TASK_TABLES = ("model", "tokenizer", "teacher", "sampling", "losses", "labels")
"""Tables that the task of a config's `kind` reads."""


class RunConfig(_Table):
    name: str = Field(pattern=r"^[\w.-]+$")
    kind: str
    seed: int = 0
    model: dict[str, Any] = Field(default_factory=dict)
    tokenizer: dict[str, Any] = Field(default_factory=dict)
    teacher: dict[str, Any] = Field(default_factory=dict)
    sampling: dict[str, Any] = Field(default_factory=dict)
    losses: dict[str, Any] = Field(default_factory=dict)
    labels: dict[str, Any] = Field(default_factory=dict)
    data: DataConfig
    training: TrainingConfig


def known() -> list[str]:
    """Names of the bundled configs, e.g. `nano/masksr2`; files whose name begins with _ are left out."""
    return sorted(p.relative_to(CONFIGS).with_suffix("").as_posix() for p in CONFIGS.rglob("[!_]*.toml"))


def bundled(name: str) -> Path:
    """The file of a bundled config. Raises RequestError naming the nearest names."""
    if name not in known():
        raise unknown("configs", name, known())
    return CONFIGS / f"{name}.toml"


def training_command(checkpoint: Path) -> str:
    """The command that trains a missing checkpoint, with each bundled config that has the name of its folder."""
    configs = [name for name in known() if name.rpartition("/")[2] == checkpoint.parent.name]
    return " or ".join(f"restorebench train {name}" for name in configs or ["CONFIG"])


def load_config(name: str | Path) -> RunConfig:
    """A config by bundled name or path. Raises RequestError saying which field is wrong."""
    path = Path(name) if str(name).endswith(".toml") else bundled(str(name))
    tables = read(path)
    try:
        return RunConfig.model_validate(tables)
    except ValidationError as error:
        raise RequestError(f"{path}: {first_fault(error)}") from error


def read(path: Path, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The tables of a file, merged over those of the file that it extends. Raises RequestError.

    extending: the files that extend this one, directly or indirectly.
    """
    if path.resolve() in extending:
        raise RequestError(f"{path}: extends itself")
    try:
        tables = read_toml(path)
    except FileNotFoundError as error:
        raise RequestError(f"{path}: no such config; bundled ones: {', '.join(known())}") from error
    if base := tables.pop("extends", ""):
        below = path.parent / base if base.endswith(".toml") else bundled(base)
        tables = merged(read(below, (*extending, path.resolve())), tables)
    return tables


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The union of two tables: a key of both has the value of `above`; nested tables are merged likewise."""
    both = {
        key: merged(below[key], value) if isinstance(value, dict) and isinstance(below[key], dict) else value
        for key, value in above.items()
        if key in below
    }
    return {**below, **above, **both}


def parse(model: type[Parsed], table: Mapping[str, Any], where: str) -> Parsed:
    """The table validated as `model`. Raises RequestError naming the field, in one line."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise RequestError(f"{where}: {first_fault(error)}") from error


def first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"{field}: {fault['msg']}" if field else fault["msg"].removeprefix("Value error, ")
