"""Whisper's small models, run by CTranslate2: tiny.en for English, base for English and Mandarin.

Decoding is pinned: greedy, float32, no timestamps, no conditioning on previous text, no temperature fallback, no voice
activity detection; windows of 30 s and features as in faster-whisper. As in openai/whisper's `transcribe`, a window
counts as silent if its no-speech probability is above 0.6 and the mean log-probability of its tokens is below -1. The
number of tokens of a window is limited by its duration (`most_tokens`), so that a repetition loop ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from restorebench.benchmark.data.weight_catalogue import WHISPER_BASE, WHISPER_TINY_EN
from restorebench.benchmark.types import FloatArray
from restorebench.metrics.recogniser import GROUP, Recogniser, versions

LONGEST = 224
"""Largest number of tokens of a window: half of Whisper's text context, as in openai/whisper."""
SPARE, PER_SECOND = 16, 8
"""A window has at most `SPARE` tokens plus `PER_SECOND` per second; fast speech has about 7 tokens per second."""
FRAMES_PER_SECOND = 100
NO_SPEECH, UNSURE = 0.6, -1.0
RULES = (
    f"decoding=greedy-float32|window=30s|tokens<={SPARE}+{PER_SECOND}/s,{LONGEST}|no-speech={NO_SPEECH:g},{UNSURE:g}"
)


@dataclass(frozen=True, kw_only=True)
class EmbeddedWhisper(Recogniser):
    def transcribe_uncached(self, sounds: Sequence[FloatArray], language: str) -> list[str]:
        return _model(self.path).transcripts(sounds, language)

    @property
    def transcript_key_parts(self) -> tuple[str, ...]:
        return (self.name, self.rules, *versions(self.packages))


class _Whisper:
    """A CTranslate2 model with its tokenizer and features."""

    def __init__(self, folder: Path) -> None:
        import ctranslate2
        import tokenizers
        from faster_whisper.feature_extractor import FeatureExtractor

        # One thread: the engine runs several processes, and results must not depend on the number of cores.
        self.model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=1)
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.features = FeatureExtractor()

    def transcripts(self, sounds: Sequence[FloatArray], language: str) -> list[str]:
        """The transcript of each 16 kHz sound [time]."""
        texts: list[dict[int, str]] = [{} for _ in sounds]  # first frame of a window -> its transcript
        for limit, windows in self._windows(sounds).items():
            for start in range(0, len(windows), GROUP):
                group = windows[start : start + GROUP]
                decoded = self._decode([mel for _, _, mel in group], limit, language)
                for (sound, first_frame, _), text in zip(group, decoded, strict=True):
                    texts[sound][first_frame] = text
        return [" ".join(filter(None, (by_frame[frame] for frame in sorted(by_frame)))) for by_frame in texts]

    def _windows(self, sounds: Sequence[FloatArray]) -> dict[int, list[tuple[int, int, FloatArray]]]:
        """Token limit -> (sound index, first frame, log-mel energies [band, frame]) of the windows with this limit."""
        windows: dict[int, list[tuple[int, int, FloatArray]]] = {}
        length = self.features.nb_max_frames
        for index, sound in enumerate(sounds):
            mel = self.features(sound)[:, :-1]
            for at in range(0, mel.shape[1], length):
                piece = mel[:, at : at + length]
                windows.setdefault(most_tokens(piece.shape[1] / FRAMES_PER_SECOND), []).append((index, at, piece))
        return windows

    def _decode(self, mels: Sequence[FloatArray], limit: int, language: str) -> list[str]:
        """The transcript of each window of log-mel energies [band, frame], with at most `limit` tokens."""
        import ctranslate2
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        tokenizer = Tokenizer(self.tokenizer, self.model.is_multilingual, "transcribe", language)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        # On a CPU the encoder is fastest with one window. The decoder is fastest with many windows, because it reads
        # all its weights for every token.
        encoded = np.concatenate([self._encoded(mel) for mel in mels])
        results = self.model.generate(
            ctranslate2.StorageView.from_array(encoded), [prompt] * len(mels),
            beam_size=1, max_length=len(prompt) + limit, return_scores=True, return_no_speech_prob=True,
            suppress_blank=True, suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        )  # fmt: skip
        return [
            "" if _is_silent(result) else str(tokenizer.decode(result.sequences_ids[0])).strip() for result in results
        ]

    def _encoded(self, mel: FloatArray) -> FloatArray:
        """The encoder's features [1, position, width] of one window."""
        import ctranslate2
        from faster_whisper.audio import pad_or_trim

        padded = np.ascontiguousarray(pad_or_trim(mel, self.features.nb_max_frames)[None], dtype=np.float32)
        return np.array(self.model.encode(ctranslate2.StorageView.from_array(padded)))


def _is_silent(result: Any) -> bool:
    tokens = len(result.sequences_ids[0])
    certainty = result.scores[0] * tokens / (tokens + 1)
    return bool(result.no_speech_prob > NO_SPEECH and certainty < UNSURE)


def most_tokens(seconds: float) -> int:
    """The largest number of tokens of a window with `seconds` of sound."""
    return min(LONGEST, SPARE + round(PER_SECOND * seconds))


@cache
def _model(folder: Path) -> _Whisper:
    """The model in `folder`, loaded once per process."""
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
