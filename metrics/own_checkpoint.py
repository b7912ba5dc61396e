"""A metric with a checkpoint of the user's own instead of the published one, under a name that says so."""

from __future__ import annotations

from pathlib import Path

from restorebench.benchmark.contracts import MetricCard
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError


def with_checkpoint(checkpoint: str, card: MetricCard, published: str) -> MetricCard:
    """The card with `checkpoint` in its names, its signature and, in place of `published`, its definition.

    Raises RequestError when there is no such file.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise RequestError(f"{checkpoint}: no such checkpoint")
    name = f"{card.name}:{checkpoint}"
    return card.model_copy(
        update={
            "name": name,
            "values": tuple(v.model_copy(update={"name": v.name.replace(card.name, name)}) for v in card.values),
            "weights": (),
            "identity": file_sha256(path),
            "definition": card.definition.replace(published, path.name),
        }
    )
