"""DCCRN in its own environment (asteroid 0.7.0): the toolkit's checkpoint, on whole 16 kHz clips."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Remote:
    def __init__(self, checkpoint: str) -> None:
        """checkpoint: an asteroid model file (model_name, model_args, state_dict), loaded at first use."""
        self.checkpoint = checkpoint
        self.model: Any = None

    def restore(self, clips: list[Array], seeds: list[int]) -> tuple[None, list[Array]]:
        """Denoised 16 kHz clips [time]."""
        import torch

        if self.model is None:
            accept_numpy_sizes()
            from asteroid.models import DCCRNet

            stored = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            self.model = DCCRNet.from_pretrained(stored).eval()
        with torch.inference_mode():
            return None, [self.model(torch.from_numpy(clip.copy())[None])[0, 0].numpy() for clip in clips]


def accept_numpy_sizes() -> None:
    """Lets asteroid, which computes a layer's size with numpy, build its network: torch 2 needs a Python integer."""
    from asteroid.masknn import recurrent

    network = recurrent.DCCRMaskNetRNN

    def sized(in_size: int, *arguments: Any, **options: Any) -> Any:
        return network(int(in_size), *arguments, **options)

    recurrent.DCCRMaskNetRNN = sized
