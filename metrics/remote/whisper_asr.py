"""Whisper in its own environment (openai-whisper): batches of 30 s windows, greedy, float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
RATE, WINDOW = 16_000, 480_000
BATCH = 16
"""Clips decoded at once."""


class Remote:
    def __init__(self, checkpoint: str) -> None:
        """checkpoint: an official `.pt` file (dims and model_state_dict), loaded at the first `transcribe`."""
        self.checkpoint = checkpoint
        self.model: Any = None

    def transcribe(self, clips: list[Array], language: str) -> tuple[list[str], list[Array]]:
        """Transcripts of 16 kHz clips [time], and no arrays. Raises ValueError for a clip longer than 30 s."""
        import torch
        import whisper

        for clip in clips:
            if len(clip) > WINDOW:
                raise ValueError(f"Whisper decodes at most 30 s; this clip has {len(clip) / RATE:.1f} s")
        if self.model is None:
            self.model = whisper.load_model(self.checkpoint)
        options = whisper.DecodingOptions(
            language=language, task="transcribe", temperature=0.0, without_timestamps=True, fp16=False
        )
        texts: list[str] = []
        for start in range(0, len(clips), BATCH):
            # One clip per spectrogram: Whisper clamps a spectrogram relative to the maximum of the whole input batch.
            mels = [self._mel(clip) for clip in clips[start : start + BATCH]]
            texts += [result.text.strip() for result in whisper.decode(self.model, torch.stack(mels), options)]
        return texts, []

    def _mel(self, clip: Array) -> Any:
        import torch
        import whisper

        padded = torch.from_numpy(np.pad(clip, (0, WINDOW - len(clip))))
        return whisper.log_mel_spectrogram(padded, self.model.dims.n_mels, device=self.model.device)
