"""NeMo's conformer transducer in its own environment (nemo-toolkit): greedy decoding in batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

BATCH = 8


class Remote:
    def __init__(self, checkpoint: str) -> None:
        """checkpoint: a `.nemo` archive of an EncDecRNNTBPEModel."""
        import torch
        from nemo.collections.asr.models import EncDecRNNTBPEModel
        from nemo.utils import logging

        logging.setLevel(logging.ERROR)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = EncDecRNNTBPEModel.restore_from(checkpoint, map_location=torch.device(device))
        self.model.eval()

    def transcribe(self, clips: list[Array], language: str) -> tuple[list[str], list[Array]]:
        """Transcripts of 16 kHz clips [time], and no arrays."""
        if language != "en":
            raise ValueError(f"this model recognises English; this clip is in {language!r}")
        hypotheses = self.model.transcribe(
            [clip.copy() for clip in clips], batch_size=min(BATCH, len(clips)), verbose=False, num_workers=0
        )
        if isinstance(hypotheses, tuple):  # older releases give (best, all)
            hypotheses = hypotheses[0]
        return [text if isinstance(text, str) else text.text for text in hypotheses], []
