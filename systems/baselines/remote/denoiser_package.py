"""DEMUCS in its own environment (denoiser 0.1.5): the causal network on whole 16 kHz clips, no dry signal mixed in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
RATE, HIDDEN = 16_000, 64


class Remote:
    def __init__(self, checkpoint: str) -> None:
        """checkpoint: an official `.th` file (a state dict), loaded at first use."""
        self.checkpoint = checkpoint
        self.model: Any = None

    def restore(self, clips: list[Array], seeds: list[int]) -> tuple[None, list[Array]]:
        """Denoised 16 kHz clips [time], one at a time: the network divides a clip by the clip's standard deviation."""
        import torch

        if self.model is None:
            from denoiser.demucs import Demucs

            self.model = Demucs(hidden=HIDDEN, sample_rate=RATE)
            self.model.load_state_dict(torch.load(self.checkpoint, map_location="cpu", weights_only=True))
            self.model.eval()
        with torch.inference_mode():
            return None, [self.model(torch.from_numpy(clip.copy())[None, None])[0, 0].numpy() for clip in clips]
