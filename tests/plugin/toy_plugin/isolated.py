"""A system that runs in an isolated environment, whose version of numpy conflicts with RestoreBench's."""

from pathlib import Path

from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.isolation.remote import Remote
from restorebench.benchmark.types import Audio


class Isolated:
    card = SystemCard(
        name="toy-isolated",
        version=1,
        summary="Halves its input",
        source="tests",
        environment=("numpy<2",),
        rate=16_000,
    )

    def __init__(self):
        self.remote = Remote(Environment(self.card.environment), Path(__file__).with_name("old_numpy.py"))

    def restore(self, batch, seeds):
        _, restored = self.remote.call("halve", [audio.samples for audio in batch])
        return [Audio(samples, audio.rate) for samples, audio in zip(restored, batch)]
