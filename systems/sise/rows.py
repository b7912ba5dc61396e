"""SISE and its ablation without disentanglement (Tables 1 and 2 of its paper), and their nano sizes.

No authors' weights exist: a row runs from a file that `restorebench train` wrote, named as `sise@FILE`. `sise`
takes any checkpoint with a semantic layer, `sise-wo-dis` any without, since the paper gives few sizes. The nano rows
require the diffusion model of their config and come with weights of this project; they are not the paper's models.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restorebench.benchmark.contracts import SystemCard
from restorebench.systems.checkpoint_row import NANO, CheckpointRow

PAPER = "SISE"
READINGS = (
    "where the paper is unclear: strides 2, 4, 5, 5 (D23), confidence among the top 20 (sampling.confidence, D41), "
    "equation 2 as a mean per clip (losses.average, D42)"
)


class SiseRow(CheckpointRow[SystemCard]):
    def __init__(
        self, name: str, summary: str, config: str, semantic: bool, exact: bool, cost: float, shipped: str = ""
    ) -> None:
        self.semantic, self.exact = semantic, exact
        card = SystemCard(
            name=name,
            version=1,
            summary=summary,
            source=f"{PAPER} Tables 1 and 2",
            packages=("torch", "safetensors")
            if shipped
            else ("torch", "torchaudio", "safetensors", "descript-audio-codec"),
            extra="models" if shipped else "dac",
            rate=16_000,
            stochastic=True,
            checkpoint=not shipped,
            cost=cost,
            deviations=NANO if shipped else READINGS,
        )
        super().__init__(card, config, shipped)

    def from_checkpoint(self, checkpoint: Path, options: Mapping[str, Any]) -> Any:
        from restorebench.systems.sise.config import DiffusionConfig
        from restorebench.systems.sise.system import SiseSystem

        wanted = None
        if self.exact:
            from restorebench.systems.training.config import load_config

            wanted = DiffusionConfig.model_validate(load_config(self.config).model)
        return SiseSystem(self.card, checkpoint, self.semantic, wanted, options)


sise = SiseRow("sise", "SISE: semantic tokens first, acoustic ones given them", "paper/sise", True, False, 2.0)
sise_wo_dis = SiseRow(
    "sise-wo-dis", "SISE without disentanglement: one diffusion over a codec's tokens", "paper/sise-wo-dis", False,
    False, 2.0,
)  # fmt: skip
sise_nano = SiseRow(
    "sise-nano", "SISE at laptop size, our own codec and weights", "nano/sise", True, True, 0.2, "sise-nano"
)
sise_wo_dis_nano = SiseRow(
    "sise-wo-dis-nano", "SISE without disentanglement at laptop size; our own weights", "nano/sise-wo-dis", False, True,
    0.2, "sise-wo-dis-nano",
)  # fmt: skip
