"""Trains SISE's factorised codec on frames (the nano sizes): the frame codec's losses, phone prediction, and probes.

The semantic tokens learn phones (SISE §2.1, equation 1). The probes get detached tokens, so they do not affect the
codec; they measure how much phone and speaker information the tokens contain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from restorebench.benchmark.core.seeds import generator
from restorebench.systems.sise.codec import Factorised, FactorisedCodec
from restorebench.systems.sise.config import CodecConfig
from restorebench.systems.sise.objectives import accuracy, masked_cross_entropy
from restorebench.systems.sise.phonemes import UNKNOWN, PhoneSet
from restorebench.systems.tokenizers.frame_codec_task import FrameCodecTask, TrainedCodec
from restorebench.systems.tokenizers.frames import convnext
from restorebench.systems.tokenizers.pitch import Pitch
from restorebench.systems.training.config import parse
from restorebench.systems.training.data import Batch
from restorebench.systems.training.task import Values

MOST_SPEAKERS = 512
PREDICTOR_BLOCKS, PREDICTOR_EXPANSION = 2, 2


def phone_predictor(width: int) -> nn.Sequential:
    """A network from the latents of tokens [batch, width, frame] to phone logits [batch, class, frame]."""
    return nn.Sequential(
        *convnext(width, PREDICTOR_EXPANSION, PREDICTOR_BLOCKS), nn.Conv1d(width, PhoneSet().classes, 1)
    )


class TrainedFactorised(TrainedCodec):
    def __init__(self, config: CodecConfig) -> None:
        super().__init__(FactorisedCodec(config))
        self.phones = phone_predictor(config.width)
        self.phone_probe = phone_predictor(config.width)
        self.speaker_probes = nn.ModuleDict(
            {name: nn.Linear(config.width, MOST_SPEAKERS) for name in ("semantic", "acoustic")}
        )

    def heads(self, factorised: Factorised | None) -> dict[str, Tensor]:
        if factorised is None or factorised.semantic is None:
            return {}
        detached = {"semantic": factorised.semantic.output.detach(), "acoustic": factorised.acoustic.output.detach()}
        logits = {
            "phones": self.phones(factorised.semantic.output),
            "phone_probe": self.phone_probe(detached["acoustic"]),
        }
        return logits | {
            f"speaker_{name}": self.speaker_probes[name](latents.mean(2))[..., None]
            for name, latents in detached.items()
        }


class SiseFrameCodecTask(FrameCodecTask):
    kind = "sise-codec"

    def make(self) -> TrainedCodec:
        self.codec_config: CodecConfig = parse(CodecConfig, self.config.model, f"{self.config.name}: model")
        return TrainedFactorised(self.codec_config)

    def stages(self, batch: Batch) -> Tensor | None:
        """Number of acoustic stages per clip: U{1, N} for a share of clips, N for the rest.

        The index of the first clip seeds the draws.
        """
        if self.decoder_only or not self.codec_config.dropout:
            return None
        rng = generator("stages", self.config.seed, int(batch["index"][0]))
        total, count = self.codec_config.acoustic, len(batch["index"])
        reduced = rng.random(count) < self.codec_config.dropout
        counts = np.where(reduced, rng.integers(1, total + 1, size=count), total)
        return torch.from_numpy(counts).to(batch["clean"].device)

    def losses(
        self, batch: Batch, estimate: Tensor, logits: Tensor, pitch: Pitch, quantised: Any, heads: dict[str, Tensor]
    ) -> tuple[Tensor, Values]:
        total, values = super().losses(batch, estimate, logits, pitch, quantised, heads)
        if not heads or self.decoder_only:
            return total, values
        phones, speakers = batch["phones"], batch["speaker"][:, None]
        values["phones"] = masked_cross_entropy(heads["phones"], phones)
        probes = masked_cross_entropy(heads["phone_probe"], phones)
        for name in ("semantic", "acoustic"):
            probes = probes + masked_cross_entropy(heads[f"speaker_{name}"], speakers)
            values[f"speaker_accuracy/{name}"] = accuracy(heads[f"speaker_{name}"], speakers)
        return total + self.weights.semantic * values["phones"] + probes, values

    def parts(self, factorised: Sequence[Factorised]) -> list[list[Any]]:
        return [[part.semantic for part in factorised], [part.acoustic for part in factorised]]

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> Values:
        """Adds the phone accuracy of the predictor on semantic tokens and of the probe on acoustic tokens."""
        values = super().validate(batches)
        if not self.quantised or self.decoder_only:
            return values
        module = self.eval_model.eval()
        correct, labelled = {"phones": 0.0, "phone_probe": 0.0}, 0.0
        for batch in batches:
            heads = module.heads(module.codec.quantise(module.codec.latents(batch["clean"])))
            speech = batch["phones"] > UNKNOWN
            labelled += float(speech.sum())
            for name in correct:
                correct[name] += float(((heads[name].argmax(1) == batch["phones"]) & speech).sum())
        if labelled:
            values["phone_accuracy/semantic"] = torch.tensor(correct["phones"] / labelled)
            values["phone_accuracy/acoustic"] = torch.tensor(correct["phone_probe"] / labelled)
        return values
