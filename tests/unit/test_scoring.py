"""What a metric may not do: each slip is a recorded failure with its reason."""

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


class Slipping:
    card = MetricCard(
        name="slip", version=1, summary="x", source="x", needs=frozenset(), definition="x",
        values=(Value(name="slip", label="x", unit="1", direction="lower"),),
    )  # fmt: skip

    def __init__(self, gives: list[Mapping[str, Outcome]]) -> None:
        self.gives = gives

    def prepare(self, subject: Subject) -> None:
        return None

    def score(self, prepared: Any, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return self.gives


@pytest.mark.parametrize(
    ("gives", "why"),
    [
        ([], "gave 0 results for 1 clips"),
        ([{"slip": Outcome(float("nan"))}], "slip gave nan"),
        ([{"slip": Outcome(float("inf"))}], "slip gave inf"),
        ([{"slop": Outcome(1.0)}], "its card says"),
    ],
)
def test_a_slip_is_a_failure(gives: list[Mapping[str, Outcome]], why: str) -> None:
    [outcome] = score(Slipping(gives), Subject(), [CLIP])
    assert outcome["slip"].value is None
    assert why in outcome["slip"].why


def test_an_earlier_failure_keeps_its_reason() -> None:
    card = Slipping.card.model_copy(update={"needs": frozenset({"reference"})})
    judge = Slipping([])
    judge.card = card  # type: ignore[misc]
    outcomes = score(judge, Subject(), ["it broke", CLIP])
    assert [o["slip"].why for o in outcomes] == ["it broke", "no reference for this clip"]


def test_an_outcome_has_a_value_or_a_reason() -> None:
    for value, why in ((None, ""), (1.0, "because")):
        with pytest.raises(ValueError, match="has a value, or a reason"):
            Outcome(value, why=why)
