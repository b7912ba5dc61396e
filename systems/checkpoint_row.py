"""A row of the registry that runs from a checkpoint: a factory with a card, as in `sise@FILE`.

A row whose checkpoint ships with this project needs no @FILE.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from restorebench.benchmark.contracts import SynthesizerCard, SystemCard
from restorebench.benchmark.errors import RequestError
from restorebench.systems.checkpoints import bundled

AnyCard = TypeVar("AnyCard", SystemCard, SynthesizerCard)
NANO = (
    "not the paper's model: nano size, 16 kHz, our own codec of 3 kbit/s and 7.6 hours of training speech; "
    "its limits are in systems/README.md"
)
"""Deviations of the rows whose checkpoint ships with this project."""


class CheckpointRow(ABC, Generic[AnyCard]):
    def __init__(self, card: AnyCard, config: str, shipped: str = "") -> None:
        """config: the bundled training config of the row; "" if the row takes any checkpoint. shipped: the shipped
        checkpoint that the row uses if none is named."""
        self.card: AnyCard = card
        self.config, self.shipped = config, shipped

    def __call__(self, *, checkpoint: Path | None = None, options: Mapping[str, str] | None = None) -> Any:
        """The component with the sampling options of its name. Raises RequestError without a checkpoint, or for a
        checkpoint of another variant."""
        if checkpoint is None and self.shipped:
            checkpoint = bundled(self.shipped)
        if checkpoint is None:
            raise RequestError(
                f"{self.card.name} has no public weights; train it (restorebench train {self.config or 'CONFIG'}) "
                f"and name the checkpoint: {self.card.name}@FILE"
            )
        return self.from_checkpoint(checkpoint, {name: value_of(text) for name, text in (options or {}).items()})

    @abstractmethod
    def from_checkpoint(self, checkpoint: Path, options: Mapping[str, Any]) -> Any:
        """The component of a checkpoint; `options` override the row's sampling settings."""


def value_of(text: str) -> str | list[str]:
    """The value of an option in a name; list items are separated by a plus, or, outside a list of systems, a comma."""
    return re.split("[+,]", text) if re.search("[+,]", text) else text
