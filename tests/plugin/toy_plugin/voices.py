"""Synthesizers for the tests: they need no model, and show what reached them."""

from restorebench.benchmark.contracts import SynthesizerCard
from restorebench.benchmark.types import Audio


class Parrot:
    """Says its prompt again, whatever the text."""

    card = SynthesizerCard(name="toy-parrot", version=1, summary="Repeats its prompt", source="tests", rate=16_000)

    def synthesize(self, requests):
        return [Audio(request.prompt.samples.copy(), request.prompt.rate) for request in requests]


class Shy:
    """Says nothing to one speaker, and fails on sentences with a `w`."""

    card = SynthesizerCard(name="toy-shy", version=1, summary="Fails on some sentences", source="tests", rate=16_000)

    def synthesize(self, requests):
        if any("w" in request.text for request in requests):
            raise ValueError("cannot say w")
        return [Audio(0 * request.prompt.samples, request.prompt.rate) for request in requests]
