"""The card of a metric that uses the user's checkpoint instead of the published checkpoint."""

from __future__ import annotations

from pathlib import Path

from restorebench.benchmark.contracts import MetricCard
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError


def with_checkpoint(checkpoint: str, card: MetricCard, published: str) -> MetricCard:
    """The card with `checkpoint` in all names, the file's hash as identity, and the file's name in the definition.

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
