"""Qwen3-TTS 0.6B: a zero-shot TTS of English and Chinese, the languages of SISE's Table 2.

Source: qwen-tts 0.1.1 and Qwen/Qwen3-TTS-12Hz-0.6B-Base (both Apache-2.0), in an environment of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from restorebench.benchmark.audio import resample
from restorebench.benchmark.contracts import SpeechRequest, SynthesizerCard
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.data.weight_catalogue import QWEN3_TTS
from restorebench.benchmark.data.weights import fetch
from restorebench.benchmark.isolation.environments import Environment, locked_requirements
from restorebench.benchmark.isolation.remote import CALL_LIMIT_S, Remote
from restorebench.benchmark.types import Audio

FOLDER = Path(__file__).parent / "remote"
SCRIPT = FOLDER / "qwen_package.py"
SECONDS_PER_REQUEST = 600.0
"""Processing time allowed for a sentence."""


class Qwen3Tts:
    card = SynthesizerCard(
        name="qwen3-tts",
        version=1,
        summary="Qwen3-TTS 12 Hz 0.6B Base, English and Chinese, 24 kHz; clones the prompt's voice in context",
        source="qwen-tts 0.1.1, the checkpoint's own sampling settings",
        licence="Apache-2.0",
        rate=24_000,
        environment=locked_requirements(FOLDER / "qwen.txt"),
        identity=file_sha256(SCRIPT),
        languages=("en", "zh"),
        weights=tuple(QWEN3_TTS),
        clones=True,
        cost=4.0,
    )

    @cached_property
    def remote(self) -> Remote:
        model, *_ = [fetch(name).resolve() for name in self.card.weights]
        return Remote(Environment(self.card.environment), SCRIPT, {"folder": str(model.parent)})

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[Audio]:
        prompts = [resample(request.prompt.samples, request.prompt.rate, self.card.rate) for request in requests]
        _, spoken = self.remote.call(
            "say",
            prompts,
            limit_s=CALL_LIMIT_S + SECONDS_PER_REQUEST * len(requests),
            prompt_texts=[request.prompt_text for request in requests],
            texts=[request.text for request in requests],
            languages=[request.language for request in requests],
            seeds=[request.seed for request in requests],
        )
        return [Audio(samples, self.card.rate) for samples in spoken]
