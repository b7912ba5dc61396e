"""Trains the frame codec: multi-scale mel and log-magnitude distances, k-means start, revival of dead codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.benchmark.seeds import integer
from restorebench.benchmark.types import Audio
from restorebench.systems.tokenizers.config import FrameCodecConfig
from restorebench.systems.tokenizers.frame_codec import FrameCodec
from restorebench.systems.tokenizers.quantizer import perplexity
from restorebench.systems.tokenizers.upkeep import keep_alive
from restorebench.systems.training.checkpoint import Checkpoint
from restorebench.systems.training.config import RunConfig, parse
from restorebench.systems.training.data import Batch
from restorebench.systems.training.distributed import take_from_first
from restorebench.systems.training.task import SingleModelTask, Values

WINDOWS_S = (0.016, 0.032, 0.064, 0.128)
MELS = (20, 40, 80, 120)
MEL_WEIGHT, MAGNITUDE_WEIGHT, CODEBOOK_WEIGHT, COMMITMENT_WEIGHT = 15.0, 5.0, 1.0, 0.25
"""Of DAC's final configurations where it has the term (specs §2.1); the magnitude's is ours."""
FLOOR = 1e-5


class SpectralDistance(nn.Module):
    """L1 between log mel spectra and between log magnitudes, each averaged over windows of several lengths."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        from torchaudio.transforms import MelScale, Spectrogram

        sizes = [2 * round(seconds * rate / 2) for seconds in WINDOWS_S]
        self.spectra = nn.ModuleList(Spectrogram(size, hop_length=size // 4, power=1.0) for size in sizes)
        self.mels = nn.ModuleList(
            MelScale(mels, rate, n_stft=size // 2 + 1) for size, mels in zip(sizes, MELS, strict=True)
        )

    def forward(self, made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """(mel, magnitude) of audio [batch, time], in log10."""
        mel, magnitude = made.new_zeros(()), made.new_zeros(())
        for spectrum, scale in zip(self.spectra, self.mels, strict=True):
            ours, theirs = spectrum(made), spectrum(wanted)
            mel = mel + log_l1(scale(ours), scale(theirs))
            magnitude = magnitude + log_l1(ours, theirs)
        return mel / len(self.spectra), magnitude / len(self.spectra)


def log_l1(made: Tensor, wanted: Tensor) -> Tensor:
    return functional.l1_loss(made.clamp(min=FLOOR).log10(), wanted.clamp(min=FLOOR).log10())


class FrameCodecTask(SingleModelTask[FrameCodec]):
    kind = "frame-codec"

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.module = FrameCodec(parse(FrameCodecConfig, config.model, f"{config.name}: model"))
        self.rate = self.module.rate
        self.distance = SpectralDistance(self.rate)

    def setup(self, fabric: Any) -> None:
        super().setup(fabric)
        self.distance.to(fabric.device)

    def begin(self, batch: Batch) -> None:
        """The quantiser starts from the first batch; with several processes, from the first one's."""
        with torch.no_grad():
            latents = self.module.latents(batch["clean"])
        quantizer = self.module.quantizer
        quantizer.start_from(latents, torch.Generator().manual_seed(integer("k-means", self.config.seed)))
        take_from_first(quantizer.state_dict().values())
        if self.average is not None:
            self.average.quantizer.load_state_dict(quantizer.state_dict())

    def losses(self, model: nn.Module, examples: Batch, share: Tensor) -> tuple[Tensor, Values]:
        clean = examples["clean"]
        part = share * len(clean)
        made, quantised = model(clean)
        mel, magnitude = self.distance(made, clean)
        examples["codes"] = quantised.codes.detach()
        examples["latents"] = [latent.detach() for latent in quantised.latents]  # type: ignore[assignment]
        loss = MEL_WEIGHT * mel + MAGNITUDE_WEIGHT * magnitude
        loss = loss + CODEBOOK_WEIGHT * quantised.codebook_loss + COMMITMENT_WEIGHT * quantised.commitment_loss
        values = {"mel": mel, "magnitude": magnitude, "codebook": quantised.codebook_loss}
        return loss * part, {name: value * part for name, value in values.items()}

    def after_step(self, examples: Sequence[Batch], step: int) -> Values:
        codes, latents = [example["codes"] for example in examples], list(examples[0]["latents"])
        moved = keep_alive(self.fabric, self.module.quantizer, codes, latents, self.config.seed, step)
        return {"revived": torch.tensor(float(moved))}

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> Values:
        model = self.judged.eval()
        mel, magnitude, codes = [], [], []
        for batch in batches:
            made, quantised = model(batch["clean"])
            distances = self.distance(made, batch["clean"])
            mel.append(distances[0])
            magnitude.append(distances[1])
            codes.append(quantised.codes)
        used = perplexity(torch.cat(codes), model.codebook_size)
        values = {"mel": torch.stack(mel).mean(), "magnitude": torch.stack(magnitude).mean(), "perplexity": used.mean()}
        return values | {f"perplexity/{k + 1}": value for k, value in enumerate(used)}

    @torch.no_grad()
    def listen(self, batch: Batch) -> list[tuple[str, Audio]]:
        made, _ = self.judged.eval()(batch["clean"])
        sounds = []
        for place, (clean, coded) in enumerate(zip(batch["clean"], made, strict=True)):
            sounds.append((f"{place}-clean", Audio(clean.float().cpu().numpy(), self.rate)))
            sounds.append((f"{place}-codec", Audio(coded.float().cpu().numpy(), self.rate)))
        return sounds

    def export(self) -> Checkpoint:
        model = self.judged
        tensors = {key: value.detach().cpu() for key, value in model.state_dict().items()}
        return Checkpoint(self.kind, tensors, {"model": model.config.model_dump(mode="json")})
