"""Word error rates by the papers' recognisers: NeMo's transducer (MaskSR2), Whisper and Paraformer (SISE).

Two reductions of the same counts, as for `wer`: errors of all clips over words of all clips, and the mean of each
clip's own rate. Transcripts are kept (`asr.py`), so that two metrics of one recogniser run it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import Outcome
from restorebench.metrics import asr
from restorebench.metrics import text as rules
from restorebench.metrics.asr import Recogniser
from restorebench.metrics.text import PAPER, SEED_TTS, SEED_TTS_ZH, WHISPER_EN
from restorebench.metrics.wer import count_errors

Normalise = Callable[[Recogniser, list[str]], list[str]]
NORMALISERS: dict[str, Normalise] = {
    PAPER: lambda _, texts: [rules.paper(text) for text in texts],
    SEED_TTS: lambda _, texts: [rules.seed_tts(text) for text in texts],
    SEED_TTS_ZH: lambda _, texts: [rules.seed_tts_zh(text) for text in texts],
    WHISPER_EN: lambda recogniser, texts: recogniser.remote().call("normalise", texts=texts)[0],
}


@dataclass(frozen=True)
class Protocol:
    """A word error rate: who listens, in which language, and how texts are compared."""

    name: str
    recogniser: Recogniser
    normaliser: str
    source: str
    licence: str
    language: str = "en"
    label: str = "WER"

    def __call__(self, checkpoint: str = "") -> RecogniserWer:
        """The metric; `checkpoint`: a file or folder of the same kind instead of the catalogue's."""
        if not checkpoint:
            return RecogniserWer(self)
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
            packages=("jiwer", "zhon"),
            extra="metrics",
            environment=recogniser.requirements,
            weights=recogniser.weights,
            identity=recogniser.identity if recogniser.checkpoint else "",
            cost=2.0,
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
                    headline=True,
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
        wanted = self.protocol.language
        if subject.language != wanted:
            raise ValueError(f"{self.card.name} listens for {wanted!r}; this clip is {subject.language!r}")
        [text] = self._normalised([str(subject.text)])
        return text

    def score(self, prepared: str, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        heard = self.protocol.recogniser.transcribe(estimates, self.protocol.language)
        return [self._outcome(prepared, text) for text in self._normalised(heard)]

    def _normalised(self, texts: list[str]) -> list[str]:
        return NORMALISERS[self.protocol.normaliser](self.protocol.recogniser, texts)

    def _outcome(self, wanted: str, heard: str) -> Mapping[str, Outcome]:
        counts = count_errors(wanted, heard)
        outcome = Outcome(100 * counts.errors / counts.words, counts.components())
        return {value.name: outcome for value in self.card.values}


MASKSR2, SISE = "MaskSR2 §IV", "SISE §3; seed-tts-eval"
nemo = Protocol("wer@nemo", asr.nemo, PAPER, MASKSR2, "CC-BY-4.0", label="WER NeMo")
whisper = Protocol("wer@whisper", asr.whisper, WHISPER_EN, "openai/whisper", "MIT", label="WER Whisper")
seed_tts_en = Protocol("wer@seed-tts-en", asr.whisper, SEED_TTS, SISE, "MIT", label="WER seed-tts")
seed_tts_zh = Protocol(
    "cer@seed-tts-zh", asr.paraformer, SEED_TTS_ZH, SISE, "FunASR model licence", language="zh", label="CER seed-tts"
)
"""Every character is a word, so what the paper calls WER is a character error rate."""
