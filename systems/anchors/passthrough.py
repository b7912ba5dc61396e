"""The lower anchor `unprocessed` (the degraded input) and the upper anchor `target` (the clean reference)."""

from __future__ import annotations

from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.types import Audio, Pair, Trial


class Unprocessed:
    card = SystemCard(
        name="unprocessed",
        version=1,
        kind="anchor",
        summary="The degraded input as it is: the lower anchor",
        source="MaskSR2 §III-C",
    )

    def offers(self, trial: Trial) -> bool:
        return True

    def identity(self, trial: Trial) -> str:
        return ""

    def supply(self, trial: Trial, pair: Pair) -> Audio:
        return pair.degraded


class Target:
    card = SystemCard(
        name="target",
        version=1,
        kind="anchor",
        summary="The clean reference: the upper anchor",
        source="MaskSR2 §III-C",
    )

    def offers(self, trial: Trial) -> bool:
        return trial.utterance.uri is not None

    def identity(self, trial: Trial) -> str:
        return ""

    def supply(self, trial: Trial, pair: Pair) -> Audio:
        if pair.reference is None:
            raise AudioError("no reference for this clip")
        return pair.reference
