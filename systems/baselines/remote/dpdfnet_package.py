"""DPDFNet in its own environment (dpdfnet 0.6.0): the package's `enhance` on whole clips, without attenuation limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Remote:
    def __init__(self, network: str, rate: str) -> None:
        """network: an official `.onnx` file; its name without suffix is the package's name of the model."""
        self.network, self.rate = network, int(rate)

    def restore(self, clips: list[Array], seeds: list[int]) -> tuple[None, list[Array]]:
        """Denoised clips [time] at the model's rate."""
        from pathlib import Path

        from dpdfnet import enhance

        model = Path(self.network).stem
        return None, [enhance(clip, self.rate, model=model, onnx_path=self.network) for clip in clips]
