"""Rules for metrics: a violation is recorded as a failure with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import score
from restorebench.benchmark.types import Audio, Outcome

CLIP = SharedClip(Audio(np.ones(10, np.float32), 16_000))


class FaultyMetric:
    card = MetricCard(
        name="slip", version=1, summary="x", source="x", needs=frozenset(), definition="x",
        values=(Value(name="slip", label="x", unit="1", direction="lower"),),
    )  # fmt: skip

    def __init__(self, results: list[Mapping[str, Outcome]]) -> None:
        self.results = results

    def prepare(self, subject: Subject) -> None:
        return None

    def score(self, prepared: Any, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return self.results


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ([], "gave 0 results for 1 clips"),
        ([{"slip": Outcome(float("nan"))}], "slip gave nan"),
        ([{"slip": Outcome(float("inf"))}], "slip gave inf"),
        ([{"slop": Outcome(1.0)}], "its card says"),
    ],
)
def test_invalid_results_are_recorded_as_a_failure(results: list[Mapping[str, Outcome]], why: str) -> None:
    [outcome] = score(FaultyMetric(results), Subject(), [CLIP])
    assert outcome["slip"].value is None
    assert why in outcome["slip"].why


def test_an_earlier_failure_keeps_its_reason() -> None:
    card = FaultyMetric.card.model_copy(update={"needs": frozenset({"reference"})})
    metric = FaultyMetric([])
    metric.card = card  # type: ignore[misc]
    outcomes = score(metric, Subject(), ["it broke", CLIP])
    assert [outcome["slip"].why for outcome in outcomes] == ["it broke", "no reference for this clip"]


def test_an_outcome_has_a_value_or_a_reason() -> None:
    for value, why in ((None, ""), (1.0, "because")):
        with pytest.raises(ValueError, match="has a value, or a reason"):
            Outcome(value, why=why)
