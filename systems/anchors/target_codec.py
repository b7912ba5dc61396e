"""Target-DAC: the clean reference encoded and decoded by a tokenizer, the upper bound of models that predict its codes.

`target-codec` is the published 44.1 kHz DAC, `target-codec:dac-16khz` the 16 kHz one, `target-codec@FILE` a frame codec
that `restorebench train` wrote, `target-codec-nano` the frame codec that ships with this package.
Source: MaskSR2 §III-C, Table I.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from restorebench.benchmark.audio import fit, resample
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.types import Audio, Pair, Trial
from restorebench.systems.checkpoints import bundled

WINDOW_S = 30.0
"""A longer reference is encoded and decoded in pieces of this length."""


class TargetCodec:
    card = SystemCard(
        name="target-codec",
        version=1,
        kind="anchor",
        summary="The clean reference, encoded and decoded by the tokenizer (Target-DAC)",
        source="MaskSR2 §III-C, Table I",
        packages=("torch", "descript-audio-codec"),
        extra="dac",
        weights=("dac-44khz",),
    )

    def __init__(self, name: str = "dac-44khz", checkpoint: Path | None = None) -> None:
        """Raises RequestError for a name outside the weight catalogue, or a file that is no frame codec."""
        self.name, self.checkpoint = name, checkpoint
        if checkpoint is not None:
            from restorebench.systems.training.checkpoint import header, training_facts

            card = header(checkpoint, "frame-codec")["card"]
            update: dict[str, Any] = {"weights": (), "identity": file_sha256(checkpoint)}
            update |= {"name": f"target-codec@{checkpoint}"} | training_facts(card, checkpoint)
        else:
            from restorebench.benchmark.data.weights import entry_of

            entry_of(name)
            update = {"weights": (name,)}
        self.card = TargetCodec.card.model_copy(update=update)

    @cached_property
    def tokenizer(self) -> Any:
        from restorebench.systems.tokenizers.choose import TokenizerConfig, tokenizer_of

        if self.checkpoint is not None:
            return tokenizer_of(TokenizerConfig(checkpoint=str(self.checkpoint)))
        return tokenizer_of(TokenizerConfig(name=self.name))

    def offers(self, trial: Trial) -> bool:
        return trial.utterance.uri is not None

    def identity(self, trial: Trial) -> str:
        return ""

    def supply(self, trial: Trial, pair: Pair) -> Audio:
        import torch

        if pair.reference is None:
            raise AudioError("no reference for this clip")
        rate, reference = self.tokenizer.rate, pair.reference
        resampled = torch.from_numpy(resample(reference.samples, reference.rate, rate).copy())
        pieces = torch.split(resampled, round(WINDOW_S * rate))
        with torch.inference_mode():
            decoded = [self.tokenizer.decode(self.tokenizer.encode(piece[None]))[0, : len(piece)] for piece in pieces]
        samples = torch.cat(decoded).numpy()
        return Audio(fit(resample(samples, rate, reference.rate), len(reference.samples)), reference.rate)


class ShippedCodec:
    """The row `target-codec-nano`: the 16 kHz frame codec of the shipped nano models, except sise-nano."""

    card = TargetCodec.card.model_copy(
        update={
            "name": "target-codec-nano",
            "summary": "The clean reference, encoded and decoded by the nano models' codec",
            "packages": ("torch", "safetensors"),
            "extra": "models",
            "weights": (),
        }
    )

    def __call__(self) -> TargetCodec:
        path = bundled("codec-nano")
        codec = TargetCodec(checkpoint=path)
        codec.card = codec.card.model_copy(
            update=self.card.model_dump(include={"name", "summary", "packages", "extra"})
        )
        return codec


target_codec_nano = ShippedCodec()
