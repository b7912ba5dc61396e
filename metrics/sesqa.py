"""SESQA (Serrà et al. 2021), MaskSR2's learned quality score: in-house and unpublished, so it has no code here.

Its values are missing, with the reason, unless scores computed elsewhere are imported (decision D40).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import Outcome

WHY = "SESQA was never published; import scores: restorebench score --import scores.csv --metric sesqa --store STORE"


class Sesqa:
    card = MetricCard(
        name="sesqa",
        version=1,
        summary="SESQA, in-house and unpublished: imported scores only",
        source="MaskSR2 §IV; decision D40",
        licence="its owner's",
        needs=frozenset(),
        definition="imported",
        imported=True,
        values=(Value(name="sesqa", label="SESQA", unit="", direction="higher", decimals=3, role="quality"),),
    )

    def prepare(self, subject: Subject) -> None:
        return None

    def score(self, prepared: None, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{"sesqa": Outcome(None, why=WHY)} for _ in estimates]
