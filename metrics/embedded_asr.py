"""Whisper's small models, run here by CTranslate2: tiny.en for English, base for English and Mandarin.

Decoding is pinned: greedy, float32, no timestamps, no text from before, no temperature fallback, no voice detector;
windows of 30 s and features as in faster-whisper. As in openai/whisper's `transcribe`, a window counts as silent when
the model says so (no-speech probability above 0.6) and is unsure of its words (mean log-probability below -1). A window
has at most `LONGEST` tokens, so that a model that repeats itself stops.
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
NO_SPEECH, UNSURE = 0.6, -1.0
RULES = f"decoding=greedy-float32|window=30s|tokens<={LONGEST}|no-speech={NO_SPEECH:g},{UNSURE:g}"


@dataclass(frozen=True, kw_only=True)
class EmbeddedWhisper(Recogniser):
    def hear(self, sounds: Sequence[FloatArray], language: str) -> list[str]:
        model = _model(self.path)
        return [model.words(sound, language) for sound in sounds]

    @property
    def decides(self) -> tuple[str, ...]:
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
        pieces = [pad_or_trim(mel[:, at : at + window], window) for at in range(0, mel.shape[1], window)]
        return " ".join(filter(None, (self._decode(piece, language) for piece in pieces)))

    def _decode(self, mel: FloatArray, language: str) -> str:
        """The words of one window, log-mel energies [band, frame]."""
        import ctranslate2
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        words = Tokenizer(self.tokenizer, self.model.is_multilingual, "transcribe", language)
        prompt = [*words.sot_sequence, words.no_timestamps]
        [found] = self.model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[None], dtype=np.float32)), [prompt],
            beam_size=1, max_length=len(prompt) + LONGEST, return_scores=True, return_no_speech_prob=True,
            suppress_blank=True, suppress_tokens=get_suppressed_tokens(words, [-1]),
        )  # fmt: skip
        tokens = found.sequences_ids[0]
        certainty = found.scores[0] * len(tokens) / (len(tokens) + 1)
        silent = found.no_speech_prob > NO_SPEECH and certainty < UNSURE
        return "" if silent else str(words.decode(tokens)).strip()


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
