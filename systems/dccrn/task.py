"""Trains DCCRN on degraded and clean audio with SI-SNR (Hu et al. 2020, §2.4): `kind = "dccrn"`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.dccrn.config import DccrnConfig
from restorebench.systems.dccrn.model import Dccrn, si_snr
from restorebench.systems.training.checkpoint import Checkpoint
from restorebench.systems.training.config import RunConfig, parse
from restorebench.systems.training.data import Batch
from restorebench.systems.training.task import SingleModelTask, Values


class DccrnTask(SingleModelTask[Dccrn]):
    kind = "dccrn"
    tables = ("model",)

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        if config.training.ema:
            raise RequestError(
                f"{config.name}: training.ema = {config.training.ema:g}; wanted 0: averaged weights do not fit the "
                "statistics of batch normalisation"
            )
        self.model_config: DccrnConfig = parse(DccrnConfig, config.model, f"{config.name}: model")
        self.rate = self.model_config.rate
        self.module = Dccrn(self.model_config)

    def losses(self, model: nn.Module, examples: Batch, share: Tensor) -> tuple[Tensor, Values]:
        """Negative SI-SNR, a mean over the clips."""
        total = si_snr(model(examples["degraded"]), examples["clean"]).sum() * share
        return -total, {"si-snr": total}

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> Values:
        """SI-SNR of the enhanced and of the degraded clips."""
        model = self.eval_model.eval()
        enhanced = torch.cat([si_snr(model(batch["degraded"]), batch["clean"]) for batch in batches])
        degraded = torch.cat([si_snr(batch["degraded"], batch["clean"]) for batch in batches])
        return {"si-snr": enhanced.mean(), "si-snr-degraded": degraded.mean()}

    def restorer(self) -> Callable[[Tensor], Tensor]:
        return self.eval_model.eval()

    @torch.inference_mode()
    def sample_audio(self, batch: Batch) -> list[tuple[str, Audio]]:
        enhanced = self.eval_model.eval()(batch["degraded"])
        sounds = {"degraded": batch["degraded"], "enhanced": enhanced, "clean": batch["clean"]}
        return [
            (f"{item}-{name}", Audio(sound[item].float().cpu().numpy(), self.rate))
            for item in range(len(enhanced))
            for name, sound in sounds.items()
        ]

    def export(self) -> Checkpoint:
        tensors = {key: value.detach().cpu() for key, value in self.eval_model.state_dict().items()}
        return Checkpoint(self.kind, tensors, {"model": self.model_config.model_dump(mode="json")})
