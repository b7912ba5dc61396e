"""Paraformer in its own environment (funasr): Mandarin, simplified by zhconv as seed-tts-eval does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RUNS_CODE = ("trust_remote_code", "remote_code", "install_model_requirements", "requirements")
"""Keys of a folder's configuration that make FunASR import or install code from the folder."""


def refuse_code(folder: Path) -> None:
    """Raises ValueError for a checkpoint folder that would run code of its own: FunASR merges config.yaml and
    configuration.json into its arguments."""
    for path in (folder / "config.yaml", folder / "configuration.json"):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for key in RUNS_CODE:
            if key in text:
                raise ValueError(
                    f"{path.name} of this checkpoint sets {key}, which would run its code; it is not loaded"
                )
    if (folder / "requirements.txt").is_file():
        raise ValueError("this checkpoint brings a requirements.txt, which would be installed; it is not loaded")


class Remote:
    def __init__(self, checkpoint: str) -> None:
        """checkpoint: a FunASR model folder (config.yaml, model.pt, tokens.json, am.mvn)."""
        from funasr import AutoModel

        refuse_code(Path(checkpoint))
        # FunASR's front end adds dither by default, so that transcripts of the same sound can differ.
        self.model = AutoModel(
            model=checkpoint, frontend_conf={"dither": 0.0}, disable_update=True, disable_pbar=True, log_level="ERROR",
            trust_remote_code=False,
        )  # fmt: skip

    def transcribe(self, clips: list[Array], language: str) -> tuple[list[str], list[Array]]:
        """Words of 16 kHz clips [time]."""
        import zhconv

        if language != "zh":
            raise ValueError(f"this model recognises Mandarin; this clip is in {language!r}")
        texts = [self.model.generate(input=clip.copy(), batch_size_s=300)[0]["text"] for clip in clips]
        return [zhconv.convert(text, "zh-cn") for text in texts], []
