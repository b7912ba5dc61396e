"""VoiceFixer in its own environment (voicefixer 0.1.3): restores 44.1 kHz clips in segments of 30 s, mode 0."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
HOP = 441
ANALYSIS = "analysis_module/checkpoints/vf.ckpt"
VOCODER = "synthesis_module/44100/model.ckpt-1490000_trimed.pt"
"""Where the package looks for its checkpoints, below ~/.cache/voicefixer."""


class Remote:
    def __init__(self, analysis: str, vocoder: str) -> None:
        """The paths of the two official checkpoints, which are loaded at first use."""
        self.checkpoints = {ANALYSIS: analysis, VOCODER: vocoder}
        self.model: Any = None

    def restore(self, clips: list[Array], seeds: list[int]) -> tuple[None, list[Array]]:
        """Restored 44.1 kHz clips [time], each of its own length."""
        if self.model is None:
            self._load()
        return None, [self._restore(clip) for clip in clips]

    def _load(self) -> None:
        import torch

        with home_with(self.checkpoints):
            from voicefixer import VoiceFixer
            from voicefixer.vocoder.config import Config
            from voicefixer.vocoder.model.generator import Generator

            model = VoiceFixer()
        analysis, vocoder = (
            torch.load(path, map_location="cpu", weights_only=True) for path in self.checkpoints.values()
        )
        require_whole(model._model.generator, analysis, "generator.")
        require_whole(Generator(Config.cin_channels), vocoder["generator"])
        self.model = model

    def _restore(self, clip: Array) -> Array:
        # The package cuts its output at both ends to the input's length; of output one sample longer, nothing is left.
        given = np.append(clip, np.float32(0)) if len(clip) % HOP == HOP - 1 else clip
        restored = np.asarray(self.model.restore_inmem(given, cuda=False, mode=0), np.float32).reshape(-1)
        return restored[: len(clip)]


def require_whole(network: Any, stored: dict[str, Any], prefix: str = "") -> None:
    """Raises ValueError if the checkpoint lacks weights of the network, which the package would leave random."""
    lacking = [name for name, _ in network.named_parameters() if f"{prefix}{name}" not in stored]
    if lacking:
        raise ValueError(f"the checkpoint has no {prefix}{lacking[0]}, and lacks {len(lacking)} weights")


@contextmanager
def home_with(checkpoints: dict[str, str]) -> Iterator[None]:
    """Sets a home folder with the checkpoints, since importing the package downloads checkpoints that are not there."""
    before = {name: os.environ.get(name) for name in ("HOME", "USERPROFILE")}
    with tempfile.TemporaryDirectory() as home:
        for target, path in checkpoints.items():
            link = Path(home, ".cache", "voicefixer", target)
            link.parent.mkdir(parents=True)
            link.symlink_to(path)
        os.environ.update(dict.fromkeys(before, home))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
