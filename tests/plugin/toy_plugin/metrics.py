"""A metric that works, two that fail on loud clips, and one that runs in an environment with an old numpy."""

import os
from pathlib import Path

from restorebench.benchmark.contracts import MetricCard, Value
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.isolation.remote import Remote
from restorebench.benchmark.types import Outcome


class Peak:
    card = MetricCard(
        name="toy-peak",
        version=1,
        summary="Peak",
        source="tests",
        needs=frozenset(),
        definition="max|x|",
        values=(
            Value(
                name="toy-peak", label="Peak", unit="1", direction="lower", role="quality", headline=True, margin=0.01
            ),
        ),
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


class Fatal:
    """Ends its process on loud clips, as a crash in native code does."""

    card = MetricCard(
        name="toy-fatal",
        version=1,
        summary="Ends its process on loud clips",
        source="tests",
        needs=frozenset(),
        definition="x",
        values=(Value(name="toy-fatal", label="Fatal", unit="1", direction="lower"),),
    )

    def prepare(self, subject):
        return None

    def score(self, prepared, estimates):
        if any(abs(clip.audio.samples).max() > 0.5 for clip in estimates):
            os._exit(11)
        return [{"toy-fatal": Outcome(1.0)} for _ in estimates]


class OldNumpy:
    card = MetricCard(
        name="toy-old-numpy",
        version=1,
        summary="Major version of the numpy that computes it",
        source="tests",
        needs=frozenset(),
        definition="x",
        environment=("numpy<2",),
        values=(Value(name="toy-old-numpy", label="Old", unit="1", direction="lower"),),
    )

    def __init__(self):
        self.remote = Remote(Environment(self.card.environment), Path(__file__).with_name("old_numpy.py"))

    def prepare(self, subject):
        return None

    def score(self, prepared, estimates):
        versions, _ = self.remote.call("version", [clip.audio.samples for clip in estimates])
        return [{"toy-old-numpy": Outcome(float(version))} for version in versions]
