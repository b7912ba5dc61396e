"""A row of the registry that runs from a checkpoint: a factory with a card, as in `sise@FILE`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.errors import RequestError


class CheckpointRow(ABC):
    def __init__(self, card: SystemCard, config: str) -> None:
        """config: the bundled training config of the row; "" when any checkpoint will do."""
        self.card, self.config = card, config

    def __call__(self, checkpoint: Path | None = None) -> Any:
        """The system. Raises RequestError without a checkpoint, or with one of another variant."""
        if checkpoint is None:
            raise RequestError(
                f"{self.card.name} has no public weights; train it (restorebench train {self.config}) "
                f"and name the checkpoint: {self.card.name}@FILE"
            )
        return self.restorer(checkpoint)

    @abstractmethod
    def restorer(self, checkpoint: Path) -> Any: ...
