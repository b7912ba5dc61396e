"""One training step of MaskSR: degrade, encode, mask, predict (MaskSR2 §II)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.masksr.config import ModelConfig, SamplingConfig
from restorebench.systems.masksr.masking import training_mask
from restorebench.systems.masksr.model import MaskSr, without_head
from restorebench.systems.masksr.sampling import sample
from restorebench.systems.masksr.teacher import TeacherConfig, teacher_of
from restorebench.systems.tokenizers.choose import TokenizerConfig, identity, tokenizer_of
from restorebench.systems.tokenizers.frame_codec import FrameCodec
from restorebench.systems.tokenizers.tokenizer import frames_of
from restorebench.systems.training.checkpoint import Checkpoint
from restorebench.systems.training.config import RunConfig, parse
from restorebench.systems.training.data import Batch, collate
from restorebench.systems.training.prepared import Column
from restorebench.systems.training.task import SingleModelTask, Values


@dataclass(frozen=True)
class Masks:
    """Maps an item to its mask [codebook, frame], true where to predict, and to whether its features are dropped."""

    seed: int
    codebooks: int
    frames: int
    span: int
    drop: float

    def __call__(self, stream: str, index: int) -> dict[str, Any]:
        rng = generator("mask", stream, self.seed, index)
        dropped = rng.random() < self.drop and stream == "train"
        return {"masked": training_mask(rng, self.codebooks, self.frames, self.span), "dropped": np.bool_(dropped)}


BUCKETS = ((0.0, 0.3, "low"), (0.3, 0.7, "middle"), (0.7, 1.01, "high"))
"""Ranges of the mask ratio for which validation reports separate accuracies: low, high, name."""


class MaskSrTask(SingleModelTask[MaskSr]):
    kind = "masksr"
    tables = ("model", "tokenizer", "teacher", "sampling")

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        where = config.name
        self.model_config: ModelConfig = parse(ModelConfig, config.model, f"{where}: model")
        self.sampling: SamplingConfig = parse(SamplingConfig, config.sampling, f"{where}: sampling")
        self.tokenizer_config: TokenizerConfig = parse(TokenizerConfig, config.tokenizer, f"{where}: tokenizer")
        teacher: TeacherConfig = parse(TeacherConfig, config.teacher, f"{where}: teacher")
        if config.data.seconds != self.model_config.seconds:
            raise RequestError(
                f"{where}: data.seconds = {config.data.seconds:g}, model.seconds = {self.model_config.seconds:g}; "
                "crops and inference windows have one length"
            )
        self.tokenizer = tokenizer_of(self.tokenizer_config, config.seed)
        self.rate, self.hop = self.tokenizer.rate, self.tokenizer.hop
        self.frames = frames_of(samples_for(config.data.seconds, self.rate), self.hop)
        self.teacher = teacher_of(self.model_config, teacher, self.rate, self.hop)
        # Computed now, because the files of the tokenizer and the teacher may change during training.
        self.identity = f"{identity(self.tokenizer_config)} {self.teacher.identity() if self.teacher else ''}"
        self.module = MaskSr(
            self.model_config, self.hop, self.tokenizer.quantiser(), self.teacher.channels if self.teacher else 0
        )

    def setup(self, fabric: Any) -> None:
        super().setup(fabric)
        self.place(fabric.device)

    def place(self, device: torch.device) -> None:
        self.tokenizer.to(device)
        if self.teacher is not None:
            self.teacher.to(device)

    def columns(self) -> dict[str, Column]:
        """Codes, and a teacher's targets if they are worth extracting ahead of training."""
        columns = {"codes": Column(identity(self.tokenizer_config), levelled=True)}
        if self.teacher is not None and self.teacher.prepared:
            columns[self.teacher.column] = Column(self.teacher.identity(), self.teacher.levelled)
        return columns

    @torch.no_grad()
    def features(self, clean: Tensor, column: str) -> Tensor:
        if column == "codes":
            codes: Tensor = self.tokenizer.encode(clean)
            return codes.to(torch.int16)
        taught: Tensor = self.teacher.targets(clean)
        return taught.half() if taught.is_floating_point() else taught.to(torch.int16)

    def features_identity(self) -> str:
        return self.identity

    def to_examples(self, batch: Batch, stream: str = "train") -> Batch:
        """Adds codes, the teacher's targets and masks where the batch lacks them. An item's index seeds its mask."""
        clean = batch["clean"]
        codes = batch["codes"].long() if "codes" in batch else self.tokenizer.encode(clean)
        examples = {**batch, "codes": codes}
        if "masked" not in batch:  # batches of material in memory are made without data-loader workers
            draw = replace(self.extras(), codebooks=codes.shape[1], frames=codes.shape[2])
            masks = collate([draw(stream, int(index)) for index in batch["index"]])
            examples |= {key: value.to(clean.device) for key, value in masks.items()}
        if self.teacher is not None:
            taught = batch[self.teacher.column] if self.teacher.column in batch else self.teacher.targets(clean)
            examples["taught"] = taught.float() if taught.is_floating_point() else taught.long()
        return examples

    def extras(self) -> Masks:
        model = self.model_config
        return Masks(self.config.seed, self.tokenizer.codebooks, self.frames, model.span, model.drop)

    def count(self, examples: Batch) -> Tensor:
        return examples["masked"].sum()

    def losses(self, model: nn.Module, examples: Batch, share: Tensor) -> tuple[Tensor, Values]:
        """Cross-entropy on masked codes, a mean over all of them (D4), plus the distillation loss (§II-B)."""
        taught_frames = examples["taught"].shape[1] if self.teacher is not None else 0
        predicted = model(
            examples["degraded"], examples["codes"], examples["masked"], examples["dropped"], taught_frames
        )
        wanted = by_codebook(examples["codes"], examples["masked"])
        loss = functional.cross_entropy(predicted.logits.float(), wanted, reduction="sum") * share
        correct = (predicted.logits.argmax(-1) == wanted).sum() * share
        values = {"cross-entropy": loss, "accuracy": correct}
        if self.teacher is not None:
            distilled = self.teacher.loss(predicted.taught, examples["taught"]) / self.config.training.accumulate
            values["distillation"] = distilled
            loss = loss + distilled
        values["dropped"] = examples["dropped"].float().mean() / self.config.training.accumulate
        return loss, values

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> Values:
        """Losses with fixed masks and no dropped clips; accuracy by mask ratio, cross-entropy by codebook."""
        model = self.eval_model.eval()
        losses, correct_parts, codebook_parts, ratio_parts, taught = [], [], [], [], []
        for batch in batches:
            examples = self.to_examples(batch, "validation")
            frames = examples["taught"].shape[1] if self.teacher is not None else 0
            inputs = (examples["degraded"], examples["codes"], examples["masked"], examples["dropped"], frames)
            predicted = model(*inputs)
            wanted = by_codebook(examples["codes"], examples["masked"])
            losses.append(functional.cross_entropy(predicted.logits.float(), wanted, reduction="none"))
            correct_parts.append((predicted.logits.argmax(-1) == wanted).float())
            masked = examples["masked"]
            codebook_number = torch.arange(masked.shape[1], device=masked.device)[None, :, None].expand_as(masked)
            codebook_parts.append(by_codebook(codebook_number, masked))
            ratio = masked.float().mean((1, 2))[:, None, None].expand(masked.shape)
            ratio_parts.append(by_codebook(ratio, masked))
            if self.teacher is not None:
                taught.append(self.teacher.loss(predicted.taught, examples["taught"]))
        loss, correct, codebook, ratio = (
            torch.cat(parts) for parts in (losses, correct_parts, codebook_parts, ratio_parts)
        )
        values = {"cross-entropy": loss.mean(), "accuracy": correct.mean()}
        if taught:
            values["distillation"] = torch.stack(taught).mean()
        values |= {f"cross-entropy/{k + 1}": loss[codebook == k].mean() for k in range(self.tokenizer.codebooks)}
        for low, high, name in BUCKETS:
            inside = (ratio >= low) & (ratio < high)
            if inside.any():
                values[f"accuracy/{name}"] = correct[inside].mean()
        return values

    def restorer(self) -> Callable[[Tensor], Tensor]:
        model = self.eval_model.eval()

        def restore(audio: Tensor) -> Tensor:
            windows = self.windows(audio)
            rngs = [generator("dev", self.config.seed, number) for number in range(len(windows))]
            codes = sample(model.generator, model.encoder(windows), rngs, self.sampling, self.model_config.span)
            return torch.as_tensor(self.tokenizer.decode(joined(codes))[:, : audio.shape[-1]])

        return restore

    def windows(self, audio: Tensor) -> Tensor:
        """Windows [window, time] of one clip [1, time], the last one padded with zeros."""
        length = samples_for(self.model_config.seconds, self.rate)
        return functional.pad(audio, (0, -audio.shape[-1] % length)).view(-1, length)

    @torch.inference_mode()
    def sample_audio(self, batch: Batch) -> list[tuple[str, Audio]]:
        model = self.eval_model.eval()
        rngs = [generator("listen", self.config.seed, int(index)) for index in batch["index"]]
        features = model.encoder(batch["degraded"])
        codes = sample(model.generator, features, rngs, self.sampling, self.model_config.span)
        length = batch["clean"].shape[-1]
        sounds = {
            "degraded": batch["degraded"],
            "restored": self.tokenizer.decode(codes)[:, :length],
            "clean": batch["clean"],
            "target-codec": self.tokenizer.decode(self.tokenizer.encode(batch["clean"]))[:, :length],
        }
        return [
            (f"{item}-{name}", Audio(sound[item].float().cpu().numpy(), self.rate))
            for item in range(len(features))
            for name, sound in sounds.items()
        ]

    def export(self) -> Checkpoint:
        """The model without its distillation head; a frame codec is included, a published tokenizer is named."""
        state = without_head(self.eval_model.state_dict())
        tensors = {f"model.{key}": value.detach().cpu() for key, value in state.items()}
        if isinstance(self.tokenizer, FrameCodec):
            codec_state = self.tokenizer.state_dict()
            tensors |= {f"tokenizer.{key}": value.detach().cpu() for key, value in codec_state.items()}
            tokenizer: dict[str, Any] = {"frame-codec": self.tokenizer.config.model_dump(mode="json")}
        else:
            tokenizer = {"name": self.tokenizer_config.name, "identity": identity(self.tokenizer_config)}
        config = {
            "model": self.model_config.model_dump(mode="json"),
            "sampling": self.sampling.model_dump(mode="json"),
            "tokenizer": tokenizer,
            "rate": self.rate,
        }
        return Checkpoint(self.kind, tensors, config)


def joined(codes: Tensor) -> Tensor:
    """Codes [1, codebook, frame] of one clip, from those of its windows [window, codebook, frame]."""
    return codes.transpose(0, 1).flatten(1)[None]


def by_codebook(values: Tensor, masked: Tensor) -> Tensor:
    """Values [n] at the n masked positions of [batch, codebook, frame], in the order of `Generator.logits_at`."""
    return values.transpose(0, 1)[masked.transpose(0, 1)]
