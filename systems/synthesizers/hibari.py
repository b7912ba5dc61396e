"""hibari: one English voice that ignores the prompt, as a control: its scores must not depend on the restorer.

Source: hibari-tts 0.2.1 (Apache-2.0), in an environment of its own; its weights come with the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from restorebench.benchmark.contracts import SpeechRequest, SynthesizerCard
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.isolation.environments import Environment, locked_requirements
from restorebench.benchmark.isolation.remote import Remote
from restorebench.benchmark.types import Audio

FOLDER = Path(__file__).parent / "remote"
SCRIPT = FOLDER / "hibari_package.py"


class Hibari:
    card = SynthesizerCard(
        name="hibari",
        version=1,
        summary="One English voice, 24 kHz; a control, which does not clone the prompt's voice",
        source="hibari-tts 0.2.1",
        licence="Apache-2.0",
        rate=24_000,
        environment=locked_requirements(FOLDER / "hibari.txt"),
        identity=file_sha256(SCRIPT),
        clones=False,
        cost=0.03,
    )

    @cached_property
    def remote(self) -> Remote:
        return Remote(Environment(self.card.environment), SCRIPT)

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[Audio]:
        texts, seeds = [request.text for request in requests], [request.seed for request in requests]
        _, spoken = self.remote.call("say", texts=texts, seeds=seeds)
        return [Audio(samples, self.card.rate) for samples in spoken]
