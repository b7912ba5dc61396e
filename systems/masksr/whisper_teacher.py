"""Whisper base's encoder as a teacher: its features, or 500 k-means units of them.

`whisper-base-encoder`: the last layer's features, 512 channels at 50 Hz. `whisper-base-k500`: the index of the nearest
of 500 k-means centres, like the paper's L9-K500 (MaskSR2 §II-A), two bytes per frame. The paper's teachers use HuBERT;
these two therefore have other names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from restorebench.benchmark.data import weights
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import FloatArray

RATE, HOP, CHANNELS, UNITS = 16_000, 320, 512, 500
WINDOW_S, GAP_S = 30, 0.5
"""Whisper's encoder takes windows of 30 s; clips are packed into them with a gap of silence in between."""
FILES = ("config", "vocabulary", "tokenizer", "model")


class WhisperEncoder:
    """The encoder alone, run by CTranslate2 on a CPU."""

    def __init__(self, threads: int = 0) -> None:
        """threads: 0 selects CTranslate2's default: OMP_NUM_THREADS if it is set, otherwise at most four."""
        self.threads = threads

    @cached_property
    def _model(self) -> Any:
        try:
            import ctranslate2
        except ImportError as error:
            raise RequestError(
                "the Whisper teacher needs faster-whisper (not installed); run: pip install 'restorebench[metrics]'"
            ) from error
        files = [weights.fetch(f"whisper-base-{file}") for file in FILES]
        folder = str(files[0].parent)
        return ctranslate2.models.Whisper(folder, device="cpu", compute_type="int8", intra_threads=self.threads)

    @cached_property
    def _mel(self) -> Any:
        from faster_whisper.feature_extractor import FeatureExtractor

        return FeatureExtractor()

    def features(self, clips: Sequence[FloatArray]) -> Iterator[tuple[int, int, FloatArray]]:
        """Features of clips [time] at 16 kHz, as (clip, first frame, features [frame, 512]), in any order of clips.

        Frame k of a clip covers its samples from 320 k on; a clip has one frame per started 320 samples.
        """
        for pieces in packed([len(clip) for clip in clips]):
            window = np.zeros(WINDOW_S * RATE, dtype=np.float32)
            for piece in pieces:
                window[piece.place : piece.place + piece.length] = clips[piece.clip][piece.start :][: piece.length]
            encoded = self._encode(window)
            for piece in pieces:
                frames = -(-piece.length // HOP)
                yield piece.clip, piece.start // HOP, encoded[piece.place // HOP :][:frames]

    def _encode(self, window: FloatArray) -> FloatArray:
        import ctranslate2

        mel = np.ascontiguousarray(self._mel(window)[None, :, : WINDOW_S * 100], dtype=np.float32)
        encoded = self._model.encode(ctranslate2.StorageView.from_array(mel), to_cpu=True)
        features: FloatArray = np.asarray(encoded, dtype=np.float32)[0]
        return features


class Piece(NamedTuple):
    """`length` samples of a clip from sample `start` on; in the window they begin at sample `place`."""

    clip: int
    start: int
    length: int
    place: int


def packed(lengths: Sequence[int]) -> Iterator[list[Piece]]:
    """Windows of 30 s, filled with the clips one after the other; clips longer than 30 s are cut into pieces."""
    size, gap = WINDOW_S * RATE, round(GAP_S * RATE)
    window: list[Piece] = []
    offset = 0
    for clip, total in enumerate(lengths):
        for start in range(0, total, size):
            length = min(size, total - start)
            if window and offset + length > size:
                yield window
                window, offset = [], 0
            window.append(Piece(clip, start, length, offset))
            offset = -(-(offset + length + gap) // HOP) * HOP
    if window:
        yield window
