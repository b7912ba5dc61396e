"""Word error rates by the papers' recognisers, and by small recognisers that need no environment of their own.

The papers' recognisers are NeMo's transducer (MaskSR2), Whisper and Paraformer (SISE); the small ones are Whisper
tiny.en and base, and PocketSphinx. Each metric has two values: the errors of all clips divided by the words of all
clips, and the mean of the clips' rates. Transcripts are cached (`recogniser.py`), so two metrics with the same
recogniser transcribe a clip once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value, Words
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Outcome
from restorebench.metrics import embedded_asr, isolated_asr
from restorebench.metrics import text as rules
from restorebench.metrics.pocketsphinx_asr import pocketsphinx as sphinx
from restorebench.metrics.recogniser import Recogniser
from restorebench.metrics.text import PAPER, SEED_TTS, SEED_TTS_ZH, WHISPER_EN, ZH_NUMBERS
from restorebench.metrics.wer import aligned_words, count_errors, repeats_itself

NORMALISERS: dict[str, Callable[[str], str]] = {
    PAPER: rules.paper,
    SEED_TTS: rules.seed_tts,
    SEED_TTS_ZH: rules.seed_tts_zh,
    WHISPER_EN: rules.whisper_en,
    ZH_NUMBERS: rules.zh_numbers,
}
PACKAGES = {SEED_TTS: ("zhon",), SEED_TTS_ZH: ("zhon",), WHISPER_EN: ("whisper-normalizer",),
            ZH_NUMBERS: ("cn2an", "opencc", "zhon")}  # fmt: skip
"""Packages that a text normaliser needs besides jiwer."""


@dataclass(frozen=True)
class Protocol:
    """The definition of a word error rate: the recogniser, the language and the text normaliser."""

    name: str
    recogniser: Recogniser
    normaliser: str
    source: str
    licence: str
    language: str = "en"
    label: str = "WER"
    stand_in: bool = False
    """Whether the recogniser is a substitute. Reports prefer the papers' recognisers."""

    def __call__(self, checkpoint: str = "") -> RecogniserWer:
        """The metric. checkpoint: a file or folder that replaces the published weights and has their format."""
        if not checkpoint:
            return RecogniserWer(self)
        if not self.recogniser.weights:
            raise RequestError(
                f"{self.name}:{checkpoint}: {self.recogniser.name} has a bundled model; leave the file out"
            )
        recogniser = replace(self.recogniser, name=Path(checkpoint).name, weights=(), checkpoint=checkpoint)
        named = f"{self.name}:{checkpoint}"
        return RecogniserWer(replace(self, name=named, recogniser=recogniser))

    @cached_property
    def card(self) -> MetricCard:
        recogniser = self.recogniser
        return MetricCard(
            name=self.name,
            version=1,
            summary=f"{self.label} by {recogniser.name}",
            source=self.source,
            licence=self.licence,
            packages=("jiwer", *PACKAGES.get(self.normaliser, ()), *recogniser.packages),
            extra="metrics",
            environment=recogniser.requirements,
            weights=recogniser.weights,
            identity=recogniser.identity if recogniser.checkpoint else "",
            cost=recogniser.cost,
            needs=frozenset({"text"}),
            definition=(
                f"asr={recogniser.name}|language={self.language}|text={self.normaliser}|{recogniser.rules}"
                "|resample=soxr-hq-16k"
            ),
            values=(
                Value(
                    name=self.name,
                    label=self.label,
                    unit="%",
                    direction="lower",
                    reduction="rate",
                    role="intelligibility",
                    decimals=1 if self.stand_in else 2,
                    headline=True,
                    stand_in=self.stand_in,
                    margin=0.5,
                ),
                Value(
                    name=f"{self.name}@mean",
                    label=f"{self.label}@mean",
                    unit="%",
                    direction="lower",
                    role="intelligibility",
                ),
            ),
        )


class RecogniserWer:
    def __init__(self, protocol: Protocol) -> None:
        self.protocol, self.card = protocol, protocol.card

    def prepare(self, subject: Subject) -> str:
        language = self.protocol.language
        if subject.language != language:
            raise ValueError(f"{self.card.name} needs clips in {language!r}; this clip is in {subject.language!r}")
        return self._normalised(str(subject.text))

    def score(self, prepared: str, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        transcripts = self.protocol.recogniser.transcribe(estimates, self.protocol.language)
        return [self._outcome(prepared, transcript) for transcript in transcripts]

    def words(self, subject: Subject, estimate: Clip) -> Words | None:
        """The normalised text aligned with the normalised cached transcript.

        None if no transcript is cached, or if the clip's language is not the recogniser's.
        """
        transcript = self.protocol.recogniser.cached_transcript(estimate, self.protocol.language)
        if transcript is None or subject.language != self.protocol.language:
            return None
        return aligned_words(self._normalised(str(subject.text)), self._normalised(transcript))

    def _normalised(self, text: str) -> str:
        return NORMALISERS[self.protocol.normaliser](text)

    def _outcome(self, text: str, transcript: str) -> Mapping[str, Outcome]:
        counts = count_errors(text, self._normalised(transcript))
        components = {**counts.components(), "looped": float(repeats_itself(transcript))}
        outcome = Outcome(100 * counts.errors / counts.words, components)
        return {value.name: outcome for value in self.card.values}


MASKSR2, SISE = "MaskSR2 §IV", "SISE §3; seed-tts-eval"
nemo = Protocol("wer@nemo", isolated_asr.nemo, PAPER, MASKSR2, "CC-BY-4.0", label="WER NeMo")
whisper = Protocol("wer@whisper", isolated_asr.whisper, WHISPER_EN, "openai/whisper", "MIT", label="WER Whisper")
seed_tts_en = Protocol("wer@seed-tts-en", isolated_asr.whisper, SEED_TTS, SISE, "MIT", label="WER seed-tts")
seed_tts_zh = Protocol(
    "cer@seed-tts-zh",
    isolated_asr.paraformer,
    SEED_TTS_ZH,
    SISE,
    "FunASR model licence",
    language="zh",
    label="CER seed-tts",
)
"""Every character is a word, so what the paper calls WER is a character error rate."""
tiny_en = Protocol(
    "wer@whisper-tiny.en", embedded_asr.tiny_en, WHISPER_EN, "openai/whisper tiny.en, run by faster-whisper", "MIT",
    label="WER Whisper tiny", stand_in=True,
)  # fmt: skip
base = Protocol(
    "wer@whisper-base", embedded_asr.base, WHISPER_EN, "openai/whisper base, run by faster-whisper", "MIT",
    label="WER Whisper base", stand_in=True,
)  # fmt: skip
base_zh = Protocol(
    "cer@whisper-base", embedded_asr.base, ZH_NUMBERS, "openai/whisper base, run by faster-whisper", "MIT",
    language="zh", label="CER Whisper base", stand_in=True,
)  # fmt: skip
pocketsphinx = Protocol(
    "wer@pocketsphinx", sphinx, PAPER, "PocketSphinx 5 en-us; counts by jiwer; decision D20", "BSD",
    label="WER Sphinx", stand_in=True,
)  # fmt: skip
