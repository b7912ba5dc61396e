"""DCCRN as a restorer that runs from a checkpoint of `restorebench train` (`dccrn@FILE`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.checkpoint_row import CheckpointRow
from restorebench.systems.windows import device

if TYPE_CHECKING:
    from restorebench.systems.dccrn.model import Dccrn

CHUNK = 1600
"""Frames that are processed at once: 10 s at the defaults."""


class DccrnSystem:
    def __init__(self, card: SystemCard, checkpoint: Path) -> None:
        """Loads no weights. Raises RequestError."""
        from restorebench.systems.dccrn.config import DccrnConfig
        from restorebench.systems.training.checkpoint import header, training_facts
        from restorebench.systems.training.config import parse

        facts = header(checkpoint, "dccrn", ("model",))
        self.config: DccrnConfig = parse(DccrnConfig, facts["config"]["model"], f"{checkpoint}: model")
        self.checkpoint, self.device = checkpoint, device()
        known = {"identity": f"{file_sha256(checkpoint)} {self.device}", "rate": self.config.rate}
        self.card = card.model_copy(update=known | training_facts(facts["card"], checkpoint))

    @cached_property
    def model(self) -> Dccrn:
        """The model, loaded at first use. Raises RequestError."""
        from restorebench.systems.dccrn.model import Dccrn
        from restorebench.systems.training.checkpoint import fill, read

        model = Dccrn(self.config)
        fill(model, read(self.checkpoint, "dccrn").tensors, self.checkpoint)
        model.requires_grad_(False)
        return model.eval().to(self.device)

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        import torch

        restored = []
        for audio in batch:
            degraded = torch.from_numpy(audio.samples.copy())[None].to(self.device)
            with torch.inference_mode():
                restored.append(Audio(self.model.enhance(degraded, CHUNK)[0].cpu().numpy(), audio.rate))
        return restored


class DccrnRow(CheckpointRow[SystemCard]):
    def from_checkpoint(self, checkpoint: Path, options: Mapping[str, Any]) -> DccrnSystem:
        if options:
            raise RequestError(f"{self.card.name} has no options; seen: {', '.join(options)}")
        return DccrnSystem(self.card, checkpoint)


dccrn = DccrnRow(
    SystemCard(
        name="dccrn",
        version=1,
        summary="DCCRN-E denoiser, trained by you on the mixtures of SISE's Table 1 (D39)",
        source="Hu et al. 2020; SISE Table 1",
        packages=("torch", "safetensors"),
        extra="models",
        rate=16_000,
        checkpoint=True,
        cost=0.1,
        deviations=(
            "SISE does not say which DCCRN it compares with: DCCRN-E, sizes of its authors' repository, ordinary "
            "batch normalisation; the output is not clipped, and frames are added with the inverse FFT instead of the "
            "authors' pseudo-inverse (about 0.3 % of the peak)"
        ),
    ),
    "paper/dccrn",
)
