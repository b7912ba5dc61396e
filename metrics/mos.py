"""MOS of a listening test: ratings by people, imported by `restorebench listen add` or `score --import`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import Outcome

WHY = "listeners' ratings are imported: restorebench listen add STORE RATINGS.csv"


class Mos:
    card = MetricCard(
        name="mos",
        version=1,
        summary="Mean opinion score of a listening test: imported ratings",
        source="ITU-T P.800; MaskSR2 Table II",
        needs=frozenset(),
        definition="imported: mean over attentive listeners of a clip's ratings from 1 to 5",
        imported=True,
        values=(Value(name="mos", label="MOS", unit="MOS", direction="higher", role="quality"),),
    )

    def prepare(self, subject: Subject) -> None:
        return None

    def score(self, prepared: None, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{"mos": Outcome(None, why=WHY)} for _ in estimates]
