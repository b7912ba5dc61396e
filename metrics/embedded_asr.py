"""Whisper's small models, run here by CTranslate2: tiny.en for English, base for English and Mandarin.

Decoding is pinned: greedy, float32, no timestamps, no text from before, no temperature fallback, no voice detector;
windows of 30 s and features as in faster-whisper. As in openai/whisper's `transcribe`, a window counts as silent when
the model says so (no-speech probability above 0.6) and is unsure of its words (mean log-probability below -1). A window
has at most as many tokens as anybody speaks in its time (`most_tokens`), so that a model that repeats itself stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from restorebench.benchmark.data.weight_catalogue import WHISPER_BASE, WHISPER_TINY_EN
from restorebench.benchmark.types import FloatArray
from restorebench.metrics.recogniser import Recogniser, versions

LONGEST = 224
"""Tokens of a window; half of Whisper's text context, its own limit for new text."""
SPARE, PER_SECOND = 16, 8
"""Fast speech has 5 words, about 7 tokens a second."""
FRAMES_PER_SECOND = 100
NO_SPEECH, UNSURE = 0.6, -1.0
RULES = (
    f"decoding=greedy-float32|window=30s|tokens<={SPARE}+{PER_SECOND}/s,{LONGEST}|no-speech={NO_SPEECH:g},{UNSURE:g}"
)


@dataclass(frozen=True, kw_only=True)
class EmbeddedWhisper(Recogniser):
    def transcribe_uncached(self, sounds: Sequence[FloatArray], language: str) -> list[str]:
        model = _model(self.path)
        return [model.words(sound, language) for sound in sounds]

    @property
    def transcript_key_parts(self) -> tuple[str, ...]:
        return (self.name, self.rules, *versions(self.packages))


class _Whisper:
    """A CTranslate2 model with its tokenizer and features."""

    def __init__(self, folder: Path) -> None:
        import ctranslate2
        import tokenizers
        from faster_whisper.feature_extractor import FeatureExtractor

        # One thread: the engine runs several processes, and sums do not depend on the number of cores.
        self.model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=1)
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.features = FeatureExtractor()

    def words(self, sound: FloatArray, language: str) -> str:
        """The words of 16 kHz sound [time]."""
        from faster_whisper.audio import pad_or_trim

        mel = self.features(sound)[:, :-1]
        window = self.features.nb_max_frames
        pieces = [mel[:, at : at + window] for at in range(0, mel.shape[1], window)]
        heard = (
            self._decode(pad_or_trim(piece, window), most_tokens(piece.shape[1] / FRAMES_PER_SECOND), language)
            for piece in pieces
        )
        return " ".join(filter(None, heard))

    def _decode(self, mel: FloatArray, most: int, language: str) -> str:
        """The words of one window, log-mel energies [band, frame], in at most `most` tokens."""
        import ctranslate2
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        words = Tokenizer(self.tokenizer, self.model.is_multilingual, "transcribe", language)
        prompt = [*words.sot_sequence, words.no_timestamps]
        [found] = self.model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[None], dtype=np.float32)), [prompt],
            beam_size=1, max_length=len(prompt) + most, return_scores=True, return_no_speech_prob=True,
            suppress_blank=True, suppress_tokens=get_suppressed_tokens(words, [-1]),
        )  # fmt: skip
        tokens = found.sequences_ids[0]
        certainty = found.scores[0] * len(tokens) / (len(tokens) + 1)
        silent = found.no_speech_prob > NO_SPEECH and certainty < UNSURE
        return "" if silent else str(words.decode(tokens)).strip()


def most_tokens(seconds: float) -> int:
    """The limit of a window that holds so much sound."""
    return min(LONGEST, SPARE + round(PER_SECOND * seconds))


@cache
def _model(folder: Path) -> _Whisper:
    """Loaded once per process."""
    return _Whisper(folder)


tiny_en = EmbeddedWhisper(
    name="Whisper tiny.en",
    rules=RULES,
    weights=tuple(WHISPER_TINY_EN),
    packages=("ctranslate2", "faster-whisper"),
    cost=0.1,
)
base = EmbeddedWhisper(
    name="Whisper base",
    rules=RULES,
    weights=tuple(WHISPER_BASE),
    packages=("ctranslate2", "faster-whisper"),
    cost=0.2,
)
