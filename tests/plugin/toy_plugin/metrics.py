"""A metric that works and one that raises on one clip."""

from restorebench.benchmark.contracts import MetricCard, Value
from restorebench.benchmark.types import Outcome


class Peak:
    card = MetricCard(
        name="toy-peak",
        version=1,
        summary="Peak",
        source="tests",
        needs=frozenset(),
        definition="max|x|",
        values=(Value(name="toy-peak", label="Peak", unit="1", direction="lower"),),
    )

    def prepare(self, subject):
        return None

    def score(self, prepared, estimates):
        return [{"toy-peak": Outcome(float(abs(clip.audio.samples).max()))} for clip in estimates]


class Crash:
    card = MetricCard(
        name="toy-crash",
        version=1,
        summary="Raises on loud clips",
        source="tests",
        needs=frozenset(),
        definition="x",
        values=(Value(name="toy-crash", label="Crash", unit="1", direction="lower"),),
    )

    def prepare(self, subject):
        return None

    def score(self, prepared, estimates):
        if any(abs(clip.audio.samples).max() > 0.5 for clip in estimates):
            raise ValueError("too loud")
        return [{"toy-crash": Outcome(1.0)} for _ in estimates]
