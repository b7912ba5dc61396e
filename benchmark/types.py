"""The engine's plain data types, from clips to tables. No I/O, no model code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.core.text import printable

FloatArray = NDArray[np.float32]


class Quantity(float):
    """A number with its unit and the number of decimals that are shown.

    Example:
        >>> str(Quantity(12.34, "dB", 1))
        '12.3 dB'
    """

    unit: str
    decimals: int

    def __new__(cls, number: float, unit: str = "", decimals: int = 2) -> Quantity:
        quantity = super().__new__(cls, number)
        quantity.unit, quantity.decimals = unit, decimals
        return quantity

    def __str__(self) -> str:
        return f"{self.bare} {self.unit}".rstrip()

    @property
    def bare(self) -> str:
        """The number without its unit."""
        return f"{float(self):.{self.decimals}f}"

    def like(self, number: float) -> Quantity:
        """Another number with the same unit and decimals."""
        return Quantity(number, self.unit, self.decimals)


Json = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound. samples [time] float32, full scale ±1 (may exceed it); rate in Hz."""

    samples: FloatArray
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(f"Audio wants samples [time] float32, got {self.samples.shape} {self.samples.dtype}")

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def sha256(self) -> str:
        """Hash of the rate and the exact samples: the identity of a sound, whatever file holds it."""
        digest = hashlib.sha256(f"{self.rate}\n".encode())
        digest.update(np.ascontiguousarray(self.samples, dtype="<f4").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Utterance:
    """One clip of a corpus. `uri` (the clean sound) and `degraded` are locations (see data/locations.py).

    `sha256` is the hash of the bytes of the file at `degraded`, or at `uri` where `degraded` is None; "" if unknown.
    """

    id: str
    uri: str | None
    group: str = ""
    """The part of a published test set that the clip belongs to; it becomes the condition of its trials."""
    degraded: str | None = None
    """Location of a recording that is degraded already; None where a corruption renders the degraded sound."""
    sha256: str = ""
    rate: int | None = None
    """Rate in Hz to which the clip is resampled when it is read; None keeps the rate of the file."""
    text: str | None = None
    """The transcript of the clip."""
    say: str | None = None
    """The text that a synthesizer is to speak in the clip's voice, in a suite with speech (suite.py)."""
    language: str = "en"
    speaker: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Recipe:
    """The random draws of a corruption, as plain JSON; rendering gives the same samples on every machine."""

    corruption: str
    steps: tuple[Json, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        data = json.loads(text)
        return cls(corruption=data["corruption"], steps=tuple(data["steps"]))


@dataclass(frozen=True)
class Trial:
    """One degraded clip to be restored: an utterance under one condition, with the recipe drawn for it."""

    suite: str
    condition: str
    utterance: Utterance
    recipe: Recipe | None
    key: str
    """Hash of everything on which the degraded sound and its reference depend (plan/keys.py)."""

    @property
    def id(self) -> str:
        return f"{self.condition}/{self.utterance.id}"


@dataclass(frozen=True, eq=False)
class Pair:
    """A clean reference (None where none exists) and its degraded version; if rendered, of equal rate and length."""

    reference: Audio | None
    degraded: Audio


@dataclass(frozen=True, eq=False)
class Restoration:
    """A system's output for one clip, and the seconds of processing (None for a supplied output, which was not run)."""

    audio: Audio
    seconds: float | None


@dataclass(frozen=True)
class Outcome:
    """A measured value with the components from which it was computed, or the reason why there is no value.

    Either `value` is a number, or `why` is a reason and `value` is None. Components allow a pooled rate to be computed
    as one quotient of sums over a whole set of clips.
    """

    value: float | None
    components: Mapping[str, float] = field(default_factory=dict)
    why: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.why):
            raise ValueError("an Outcome has a value, or a reason for having none")


@dataclass(frozen=True)
class Record:
    """One row of the result table: a value of one metric for one system on one trial."""

    suite: str
    condition: str
    utterance: str
    speaker: str
    system: str
    seed: int
    metric: str
    signature: str
    value_name: str
    value: float | None
    components: str
    """JSON of `Outcome.components`."""
    why: str
    key: str


@dataclass(frozen=True)
class Cell:
    """A cell of the board: one value over all planned clips of a condition."""

    suite: str
    condition: str
    system: str
    value_name: str
    signature: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    """Number of values that enter the cell, counted per clip and seed."""
    planned: int
    """Number of values that the plan asks for, counted per clip and seed."""
    why: str = ""


@dataclass(frozen=True)
class Table:
    """A table of text cells with notes below it, to be shown in any output format."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    bold: frozenset[tuple[int, int]] = frozenset()
    """(row, column) of the cells that are set in bold, such as a significantly best system."""
    small_print: tuple[str, ...] = ()
    """Notes on how the numbers were computed (signatures, resampling); a terminal shows them only on request."""
    details: tuple[str, ...] = ()
    """Columns that a narrow terminal leaves out unless the user requests them."""

    def __post_init__(self) -> None:
        """Replaces control characters in all texts: names of clips and systems come from files and are not trusted."""
        object.__setattr__(self, "title", printable(self.title))
        object.__setattr__(self, "rows", tuple(tuple(map(printable, row)) for row in self.rows))
        for name in ("columns", "notes", "small_print"):
            object.__setattr__(self, name, tuple(map(printable, getattr(self, name))))

    @property
    def all_notes(self) -> tuple[str, ...]:
        return (*self.notes, *self.small_print)


Rows = Literal["scores", "timings"]
"""Which of the store's two kinds of rows: repeatable scores, or processing times."""
