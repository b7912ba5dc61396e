"""pocket-tts: Kyutai's zero-shot TTS of 100 M parameters, English, several times faster than real time on a CPU.

Source: pocket-tts 4.0.1 (code MIT), in an environment of its own. The weights with voice cloning are gated:
they require an account that has accepted the terms at huggingface.co/kyutai/pocket-tts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from restorebench.benchmark.audio import resample
from restorebench.benchmark.contracts import SpeechRequest, SynthesizerCard
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.data.weights import fetch
from restorebench.benchmark.isolation.environments import Environment, locked_requirements
from restorebench.benchmark.isolation.remote import CALL_LIMIT_S, Remote
from restorebench.benchmark.types import Audio

FOLDER = Path(__file__).parent / "remote"
SCRIPT = FOLDER / "pocket_package.py"
SECONDS_PER_REQUEST = 120.0
"""Processing time allowed for a sentence."""


class PocketTts:
    card = SynthesizerCard(
        name="pocket-tts",
        version=1,
        summary="Kyutai's pocket-tts, English, 24 kHz; clones the prompt's voice",
        source="pocket-tts 4.0.1, config english; temperature 0.3",
        licence="MIT",
        rate=24_000,
        environment=locked_requirements(FOLDER / "pocket.txt"),
        identity=file_sha256(SCRIPT),
        weights=("pocket-tts-model", "pocket-tts-tokenizer"),
        clones=True,
        prompt_changes="trailing silence is cut, 20 ms are faded out, 80 ms of silence are added; its text is not used",
        cost=0.3,
    )

    @cached_property
    def remote(self) -> Remote:
        model, tokenizer = (str(fetch(name).resolve()) for name in self.card.weights)
        return Remote(Environment(self.card.environment), SCRIPT, {"model": model, "tokenizer": tokenizer})

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[Audio]:
        prompts = [resample(request.prompt.samples, request.prompt.rate, self.card.rate) for request in requests]
        texts, seeds = [request.text for request in requests], [request.seed for request in requests]
        limit_s = CALL_LIMIT_S + SECONDS_PER_REQUEST * len(requests)
        _, spoken = self.remote.call("say", prompts, limit_s=limit_s, texts=texts, seeds=seeds)
        return [Audio(samples, self.card.rate) for samples in spoken]
