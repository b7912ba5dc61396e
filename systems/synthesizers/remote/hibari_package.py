"""hibari in its own environment (hibari-tts 0.2.1): one English voice, which does not clone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SEEDS = 2**32
"""Number of different seeds: hibari takes seeds of 32 bits."""


class Remote:
    def __init__(self) -> None:
        self.voice: Any = None

    def say(
        self, _: list[Array], prompt_texts: list[str], texts: list[str], languages: list[str], seeds: list[int]
    ) -> tuple[None, list[Array]]:
        """Speech [time] of each text at 24 kHz; prompts are ignored."""
        if self.voice is None:
            from hibari import Hibari

            self.voice = Hibari()
        spoken = [self.voice(text, seed=seed % SEEDS) for text, seed in zip(texts, seeds, strict=True)]
        return None, [np.asarray(samples, np.float32).reshape(-1) for samples in spoken]
