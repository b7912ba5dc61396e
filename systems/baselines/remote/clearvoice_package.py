"""FRCRN, MossFormer2 and MossFormerGAN in their own environment (clearvoice 0.1.2).

Clips are written to files, because the package adjusts the level for FRCRN only when it reads files.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
FULL_SCALE = 32_768


class Remote:
    def __init__(self, checkpoint: str, network: str) -> None:
        """checkpoint: an official `last_best_checkpoint.pt`; network: its name in clearvoice, as in FRCRN_SE_16K."""
        self.checkpoint, self.network = checkpoint, network
        self.toolkit: Any = None

    def restore(self, clips: list[Array], seeds: list[int]) -> tuple[None, list[Array]]:
        """Denoised clips [time] at the network's rate.

        The files have 16 bits: the package infers the sample width from the largest sample, so that it would read quiet
        files of a larger width at a wrong scale. MossFormer2 adds random dither, so each clip's seed is set.
        """
        import soundfile
        import torch

        if self.toolkit is None:
            self._load()
        rate = self.toolkit.models[0].args.sampling_rate
        restored = []
        with tempfile.TemporaryDirectory() as folder:
            for number, (clip, seed) in enumerate(zip(clips, seeds, strict=True)):
                path = Path(folder, f"{number}.wav")
                soundfile.write(
                    path, np.clip(np.round(clip * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1) / FULL_SCALE, rate
                )
                torch.manual_seed(seed)
                output = self.toolkit(input_path=str(path), online_write=False)
                restored.append(np.asarray(output, np.float32).reshape(-1))
        return None, restored

    def _load(self) -> None:
        """Loads the network. The package looks for its checkpoint in the current folder, and downloads it otherwise."""
        import torch
        from clearvoice import ClearVoice

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "checkpoints", self.network)
            path.mkdir(parents=True)
            (path / "last_best_checkpoint.pt").symlink_to(Path(self.checkpoint).resolve())
            (path / "last_best_checkpoint").write_text("last_best_checkpoint.pt\n", encoding="utf-8")
            before = Path.cwd()
            os.chdir(folder)
            try:
                toolkit = ClearVoice(task="speech_enhancement", model_names=[self.network])
            finally:
                os.chdir(before)
        network = toolkit.models[0].model
        stored = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        require_whole(network.state_dict(), stored.get("model", stored))
        network.eval()
        self.toolkit = toolkit


def require_whole(wanted: dict[str, Any], stored: dict[str, Any]) -> None:
    """Raises ValueError if the checkpoint lacks weights of the network, which the package would leave random."""
    shapes = {key.removeprefix("module."): value.shape for key, value in stored.items()}
    lacking = [key for key, value in wanted.items() if shapes.get(key.removeprefix("module.")) != value.shape]
    if lacking:
        raise ValueError(f"the checkpoint has no {lacking[0]} of the network's shape, and lacks {len(lacking)} weights")
