"""Text-to-speech systems in their owners' packages, each package in a Python environment of its own.

The code of each worker (`remote/`) says which defaults of its package would distort SISE's Table 2, and how it avoids
them. Packages that clone voices come without weights: `restorebench data fetch NAME` fetches them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorebench.benchmark.audio import resample
from restorebench.benchmark.contracts import SpeechRequest, SpeechTrace, SynthesizerCard
from restorebench.benchmark.data.weight_catalogue import QWEN3_TTS
from restorebench.benchmark.data.weights import fetch
from restorebench.benchmark.isolation.packages import packaged, shared_remote
from restorebench.benchmark.isolation.remote import CALL_LIMIT_S, Remote
from restorebench.benchmark.types import Audio

FOLDER = Path(__file__).parent / "remote"


@dataclass(frozen=True)
class IsolatedSynthesizer:
    """A synthesizer that runs from its owner's package. Calling it returns the synthesizer itself.

    The worker's code has a class `Remote` with the methods `say` and, if it clones, `trace`: both take prompts [time]
    at the card's rate, their texts, the texts to be said, languages and seeds.
    """

    card: SynthesizerCard
    script: str
    """File name of the worker's code."""
    weights: tuple[tuple[str, str], ...] = ()
    """Pairs of a worker's argument and the name of the weights whose path is its value."""
    seconds_per_request: float = 120.0
    """Processing time in seconds allowed per request."""

    def __call__(self) -> IsolatedSynthesizer:
        return self

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[Audio]:
        _, spoken = self._call("say", requests)
        return [Audio(samples, self.card.rate) for samples in spoken]

    def remote(self) -> Remote:
        """The worker process, which gets absolute paths of its weights; missing weights are fetched first."""
        paths = tuple((argument, str(fetch(name).resolve())) for argument, name in self.weights)
        for name in self.card.weights:
            fetch(name)
        return shared_remote(FOLDER / self.script, self.card.environment, paths)

    def _call(self, method: str, requests: Sequence[SpeechRequest]) -> tuple[Any, list[Any]]:
        prompts = [resample(request.prompt.samples, request.prompt.rate, self.card.rate) for request in requests]
        value, sounds = self.remote().call(
            method,
            prompts,
            limit_s=CALL_LIMIT_S + self.seconds_per_request * len(requests),
            prompt_texts=[request.prompt_text for request in requests],
            texts=[request.text for request in requests],
            languages=[request.language for request in requests],
            seeds=[request.seed for request in requests],
        )
        return value, list(sounds)


class TracedSynthesizer(IsolatedSynthesizer):
    """A synthesizer whose worker also reports the input of its model."""

    def __call__(self) -> TracedSynthesizer:
        return self

    def trace(self, request: SpeechRequest) -> SpeechTrace:
        facts, [model_input] = self._call("trace", [request])
        return SpeechTrace(Audio(model_input, int(facts["rate"])), int(facts["runs"]))


_HIBARI, _HIBARI_LOCK, _HIBARI_CODE = packaged(FOLDER, "hibari")
_POCKET, _POCKET_LOCK, _POCKET_CODE = packaged(FOLDER, "pocket")
_QWEN, _QWEN_LOCK, _QWEN_CODE = packaged(FOLDER, "qwen")

hibari = IsolatedSynthesizer(
    SynthesizerCard(
        name="hibari",
        version=1,
        summary="One English voice, 24 kHz: a control that does not clone the prompt's voice",
        source="hibari-tts 0.2.1; its weights come with the package",
        licence="Apache-2.0",
        rate=24_000,
        environment=_HIBARI_LOCK,
        identity=_HIBARI_CODE,
        clones=False,
        cost=0.03,
    ),
    _HIBARI,
)
pocket_tts = TracedSynthesizer(
    SynthesizerCard(
        name="pocket-tts",
        version=1,
        summary="Kyutai's pocket-tts, English, 24 kHz; clones the prompt's voice without using the prompt's text",
        source="pocket-tts 4.0.1, config english; temperature 0.3",
        licence="MIT, gated weights",
        rate=24_000,
        environment=_POCKET_LOCK,
        identity=_POCKET_CODE,
        weights=("pocket-tts-model", "pocket-tts-tokenizer"),
        clones=True,
        prompt_changes={"cut": "trailing silence is cut, 20 ms are faded out, 80 ms of silence are added"},
        cost=0.3,
    ),
    _POCKET,
    (("model", "pocket-tts-model"), ("tokenizer", "pocket-tts-tokenizer")),
)
qwen3_tts = TracedSynthesizer(
    SynthesizerCard(
        name="qwen3-tts",
        version=1,
        summary="Qwen3-TTS 12 Hz 0.6B Base, English and Chinese, 24 kHz; clones the prompt's voice in context",
        source="qwen-tts 0.1.1 and Qwen/Qwen3-TTS-12Hz-0.6B-Base, the checkpoint's own sampling settings",
        licence="Apache-2.0",
        rate=24_000,
        environment=_QWEN_LOCK,
        identity=_QWEN_CODE,
        languages=("en", "zh"),
        weights=tuple(QWEN3_TTS),
        clones=True,
        cost=4.0,
    ),
    _QWEN,
    (("config", next(iter(QWEN3_TTS))),),
    seconds_per_request=600.0,
)
