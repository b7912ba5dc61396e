"""Finished audio of others as a row: `published:NAME` reads the folder NAME beside a recorded clip's input."""

from __future__ import annotations

from restorebench.benchmark.audio import read
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.data.locations import file_sha256, resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.types import Audio, Pair, Utterance


class Published:
    card = SystemCard(
        name="published",
        version=1,
        kind="published",
        argument="NAME",
        summary="published:NAME, a folder of finished outputs beside a recorded test set",
        source="the folder's owner",
        licence="the folder's owner's",
    )

    def __init__(self, name: str = "") -> None:
        if not name or "/" in name or name.startswith("."):
            raise RequestError(f"published:{name}: wanted the name of a folder, as in published:VoiceFixer")
        self.name = name
        self.card = Published.card.model_copy(update={"name": f"published:{name}", "summary": f"Outputs of {name}"})

    def location(self, utterance: Utterance) -> str | None:
        """`…/SYSTEM/ITEM.flac` beside `…/unprocessed/ITEM.flac`; None for a clip that was degraded here."""
        if utterance.degraded is None:
            return None
        folder, _, file = utterance.degraded.rpartition("/")
        return f"{folder.rpartition('/')[0]}/{self.name}/{file}"

    def offers(self, utterance: Utterance) -> bool:
        location = self.location(utterance)
        return location is not None and resolve_uri(location).is_file()

    def identity(self, utterance: Utterance) -> str:
        location = self.location(utterance)
        return file_sha256(resolve_uri(location)) if location and self.offers(utterance) else "absent"

    def supply(self, utterance: Utterance, pair: Pair) -> Audio:
        location = self.location(utterance)
        if location is None or not self.offers(utterance):
            raise AudioError(f"{self.name} published no output for this clip")
        return read(resolve_uri(location))
