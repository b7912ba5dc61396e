"""Paraformer in its own environment (funasr): Mandarin, simplified by zhconv as seed-tts-eval does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Remote:
    def __init__(self, checkpoint: str) -> None:
        """checkpoint: a FunASR model folder (config.yaml, model.pt, tokens.json, am.mvn)."""
        from funasr import AutoModel

        # Its front end dithers by default, so that the same sound gives other words each time.
        self.model = AutoModel(
            model=checkpoint, frontend_conf={"dither": 0.0}, disable_update=True, disable_pbar=True, log_level="ERROR"
        )

    def transcribe(self, clips: list[Array], language: str) -> tuple[list[str], list[Array]]:
        """Words of 16 kHz clips [time]."""
        import zhconv

        if language != "zh":
            raise ValueError(f"this model is Mandarin; asked for {language!r}")
        found = [self.model.generate(input=clip.copy(), batch_size_s=300)[0]["text"] for clip in clips]
        return [zhconv.convert(text, "zh-cn") for text in found], []
