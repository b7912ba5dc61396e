"""Trains SISE's diffusion model: it predicts masked tokens of the target from degraded speech (SISE §2.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor, nn
from torch.nn import functional

from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.sise.codec import FactorisedCodec
from restorebench.systems.sise.config import CodecConfig, DiffusionConfig, ObjectiveConfig, SamplingConfig
from restorebench.systems.sise.diffusion import Sise
from restorebench.systems.sise.load import load_codec, random_codec
from restorebench.systems.sise.sampling import sample
from restorebench.systems.training.checkpoint import Checkpoint
from restorebench.systems.training.config import RunConfig, parse
from restorebench.systems.training.data import Batch
from restorebench.systems.training.task import SingleModelTask, Values


class CodecChoice(BaseModel):
    """The codec: exactly one of `checkpoint` and `random`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    checkpoint: str = ""
    """File of a codec that `restorebench train` wrote, relative to the working folder."""
    random: CodecConfig | None = None
    """A codec with random weights, for tests that need no trained codec."""

    @model_validator(mode="after")
    def _one(self) -> CodecChoice:
        if bool(self.checkpoint) == (self.random is not None):
            raise ValueError("wanted one of checkpoint, random")
        return self

    @property
    def identity(self) -> str:
        """Identifies the codec: hash of its file, or the random codec's config."""
        return file_sha256(Path(self.checkpoint)) if self.checkpoint else repr(self.random)

    def codec(self, seed: int) -> FactorisedCodec:
        """The frozen codec; seed: for random weights. Raises RequestError."""
        return load_codec(Path(self.checkpoint)) if self.random is None else random_codec(self.random, seed)


class SiseTask(SingleModelTask[Sise]):
    kind = "sise"
    tables = ("model", "tokenizer", "sampling", "losses")

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        where = config.name
        self.model_config: DiffusionConfig = parse(DiffusionConfig, config.model, f"{where}: model")
        self.sampling: SamplingConfig = parse(SamplingConfig, config.sampling, f"{where}: sampling")
        self.objective: ObjectiveConfig = parse(ObjectiveConfig, config.losses, f"{where}: losses")
        choice: CodecChoice = parse(CodecChoice, config.tokenizer, f"{where}: tokenizer")
        if config.data.seconds != self.model_config.seconds:
            raise RequestError(
                f"{where}: data.seconds = {config.data.seconds:g}, model.seconds = {self.model_config.seconds:g}; "
                "crops and inference windows have one length"
            )
        self.codec = choice.codec(config.seed)
        self.sampling.steps(self.codec.config.layers)
        self.rate, self.codec_identity = self.codec.rate, choice.identity  # hashed now: the file may change later
        self.module = Sise(self.model_config, self.codec.config)

    def setup(self, fabric: Any) -> None:
        super().setup(fabric)
        self.codec.to(fabric.device)

    def features_identity(self) -> str:
        return self.codec_identity

    def to_examples(self, batch: Batch, stream: str = "train") -> Batch:
        """Adds the target's codes and, drawn from each item's index, the layer to train and the masks."""
        clean = batch["clean"]
        codes = self.codec.encode(clean)
        layers = self.codec.config.acoustic if self.codec.config.semantic else self.codec.config.layers
        chosen_layers, masked = [], []
        for index in batch["index"]:
            rng = generator("sise", stream, self.config.seed, int(index))
            chosen_layers.append(int(rng.integers(layers)))  # D25: uniform over layers
            masked.append(np.stack([layer_mask(rng, codes.shape[2]) for _ in range(2)]))
        return {
            **batch,
            "codes": codes,
            "layer": torch.tensor(chosen_layers, device=clean.device),
            "masked": torch.from_numpy(np.stack(masked)).to(clean.device),
        }

    def losses(self, model: nn.Module, examples: Batch, share: Tensor) -> tuple[Tensor, Values]:
        """Cross-entropy of each stage's masked tokens (equation 2; D42), summed over the stages."""
        values = self._losses(model, examples)
        weight = share * len(examples["clean"])
        total = torch.stack([value for name, value in values.items() if name.startswith("loss")]).sum()
        return total * weight, {name: value * weight for name, value in values.items()}

    def _losses(self, model: nn.Module, examples: Batch) -> Values:
        codes, layer, masked = examples["codes"], examples["layer"], examples["masked"]
        first, acoustic = model(examples["degraded"], codes, masked, layer)
        index = torch.arange(len(codes), device=codes.device)
        if acoustic is None:
            stages = {"tokens": (first, codes[index, layer], masked[:, 1])}
        else:
            stages = {
                "semantic": (first, codes[:, 0], masked[:, 0]),
                "acoustic": (acoustic, codes[index, 1 + layer], masked[:, 1]),
            }
        values: Values = {}
        for name, (logits, wanted, mask) in stages.items():
            loss = functional.cross_entropy(logits[mask].float(), wanted[mask], reduction="none")
            # With average = "clip", every clip has the same weight, independent of how many of its tokens are masked.
            clip = torch.arange(len(codes), device=codes.device)[:, None].expand_as(mask)[mask]
            sums = torch.zeros(len(codes), device=codes.device).index_add(0, clip, loss)
            divisor = mask.sum(1) if self.objective.average == "clip" else mask.shape[1]
            values[f"loss_{name}"] = (sums / divisor).mean()
            values[f"accuracy_{name}"] = (logits[mask].argmax(-1) == wanted[mask]).float().mean()
        return values

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> Values:
        model = self.eval_model.eval()
        losses = [self._losses(model, self.to_examples(batch, "validation")) for batch in batches]
        return {name: torch.stack([values[name] for values in losses]).mean() for name in losses[0]}

    def restorer(self) -> Callable[[Tensor], Tensor]:
        model = self.eval_model.eval()

        def restore(audio: Tensor) -> Tensor:
            length = samples_for(self.model_config.seconds, self.rate)
            windows = functional.pad(audio, (0, -audio.shape[-1] % length)).view(-1, length)
            rngs = [generator("dev", self.config.seed, number) for number in range(len(windows))]
            codes = sample(model, windows, rngs, self.sampling)
            return torch.as_tensor(self.codec.decode(codes.transpose(0, 1).flatten(1)[None])[:, : audio.shape[-1]])

        return restore

    @torch.inference_mode()
    def sample_audio(self, batch: Batch) -> list[tuple[str, Audio]]:
        rngs = [generator("listen", self.config.seed, int(index)) for index in batch["index"]]
        codes = sample(self.eval_model.eval(), batch["degraded"], rngs, self.sampling)
        length = batch["clean"].shape[-1]
        sounds = {
            "degraded": batch["degraded"],
            "restored": self.codec.decode(codes)[:, :length],
            "clean": batch["clean"],
            "target-codec": self.codec.decode(self.codec.encode(batch["clean"]))[:, :length],
        }
        return [
            (f"{item}-{name}", Audio(sound[item].float().cpu().numpy(), self.rate))
            for item in range(len(codes))
            for name, sound in sounds.items()
        ]

    def export(self) -> Checkpoint:
        """The diffusion model and its codec in one checkpoint."""
        return with_codec(self.kind, self.eval_model, self.model_config, self.codec, self.sampling)


def with_codec(
    kind: str, model: nn.Module, config: BaseModel, codec: FactorisedCodec, sampling: BaseModel
) -> Checkpoint:
    """A checkpoint that contains a model of codes, and its codec."""
    tensors = {f"model.{key}": value.detach().cpu() for key, value in model.state_dict().items()}
    tensors |= {f"codec.{key}": value.detach().cpu() for key, value in codec.state_dict().items()}
    tables: dict[str, Any] = {"model": config, "codec": codec.config, "sampling": sampling}
    written = {name: table.model_dump(mode="json") for name, table in tables.items()}
    return Checkpoint(kind, tensors, written | {"rate": codec.rate})


def layer_mask(rng: np.random.Generator, frames: int) -> NDArray[np.bool_]:
    """A mask [frame] of Bernoulli(sin(pi t / 2)) with t ~ U(0, 1], at least one frame masked (SISE §2.2)."""
    t = 1.0 - rng.random()
    masked: NDArray[np.bool_] = rng.random(frames) < np.sin(0.5 * np.pi * t)
    if not masked.any():
        masked[int(rng.integers(frames))] = True
    return masked
