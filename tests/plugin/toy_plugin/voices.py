"""Synthesizers for the tests, which need no model: one returns the prompt, the other fails."""

from restorebench.benchmark.contracts import SynthesizerCard
from restorebench.benchmark.types import Audio


class Parrot:
    """Returns its prompt, whatever the text."""

    card = SynthesizerCard(name="toy-parrot", version=1, summary="Repeats its prompt", source="tests", rate=16_000)

    def synthesize(self, requests):
        return [Audio(request.prompt.samples.copy(), request.prompt.rate) for request in requests]


class Shy:
    """Returns silence, and raises on sentences with a `w`."""

    card = SynthesizerCard(name="toy-shy", version=1, summary="Fails on some sentences", source="tests", rate=16_000)

    def synthesize(self, requests):
        if any("w" in request.text for request in requests):
            raise ValueError("cannot say w")
        return [Audio(0 * request.prompt.samples, request.prompt.rate) for request in requests]
