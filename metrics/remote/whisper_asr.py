"""Whisper in its own environment (openai-whisper): one decoding for a batch of 30 s windows, greedy, no timestamps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
RATE, WINDOW = 16_000, 480_000
BATCH = 16
"""Windows decoded at once."""


class Remote:
    def __init__(self, checkpoint: str) -> None:
        """checkpoint: an official `.pt` file (dims and model_state_dict), loaded when something is to be heard."""
        self.checkpoint = checkpoint
        self.model: Any = None

    def transcribe(self, clips: list[Array], language: str) -> tuple[list[str], list[Array]]:
        """Words of 16 kHz clips [time] of any length; a clip beyond 30 s is decoded in windows of 30 s."""
        import torch
        import whisper

        if self.model is None:
            self.model = whisper.load_model(self.checkpoint)
        options = whisper.DecodingOptions(
            language=language, task="transcribe", temperature=0.0, without_timestamps=True,
            fp16=self.model.device.type == "cuda",
        )  # fmt: skip
        windows = [(place, part) for place, clip in enumerate(clips) for part in _windows(clip)]
        texts = [""] * len(clips)
        for start in range(0, len(windows), BATCH):
            some = windows[start : start + BATCH]
            padded = torch.from_numpy(np.stack([np.pad(part, (0, WINDOW - len(part))) for _, part in some]))
            mel = whisper.log_mel_spectrogram(padded, self.model.dims.n_mels, device=self.model.device)
            for (place, _), result in zip(some, whisper.decode(self.model, mel, options), strict=True):
                texts[place] = f"{texts[place]} {result.text}".strip()
        return texts, []

    def normalise(self, _: list[Array], texts: list[str]) -> tuple[list[str], list[Array]]:
        """Whisper's own English rules."""
        from whisper.normalizers import EnglishTextNormalizer

        rules = EnglishTextNormalizer()
        return [rules(text) for text in texts], []


def _windows(clip: Array) -> list[Array]:
    return [clip[start : start + WINDOW] for start in range(0, max(len(clip), 1), WINDOW)]
