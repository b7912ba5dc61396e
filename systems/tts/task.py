"""Trains both stages of text-to-speech on aligned speech (SISE §3): `kind = "tts"`.

A crop's phones are taken from its frame labels, so that the text of any crop of an aligned recording is known. Crops
without an alignment train the acoustic stage alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.sise.diffusion_task import CodecChoice, with_codec
from restorebench.systems.sise.labels import LabelConfig, Labels, labels_of
from restorebench.systems.training.checkpoint import Checkpoint
from restorebench.systems.training.config import RunConfig, parse
from restorebench.systems.training.data import Batch
from restorebench.systems.training.recordings import Recordings
from restorebench.systems.training.task import Progress, SingleModelTask, Values
from restorebench.systems.tts.config import TtsConfig, TtsSampling
from restorebench.systems.tts.masks import LONGEST_PROMPT, Timed, draw_layer, draw_mask, padded, phones_of_frames
from restorebench.systems.tts.model import SpeechModel
from restorebench.systems.tts.sampling import say


class TtsTask(SingleModelTask[SpeechModel]):
    kind = "tts"
    tables = ("model", "tokenizer", "sampling", "labels")

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        where = config.name
        self.model_config: TtsConfig = parse(TtsConfig, config.model, f"{where}: model")
        self.sampling: TtsSampling = parse(TtsSampling, config.sampling, f"{where}: sampling")
        labels = {"phones": self.model_config.phones, **config.labels}
        self.label_config: LabelConfig = parse(LabelConfig, labels, f"{where}: labels")
        choice: CodecChoice = parse(CodecChoice, config.tokenizer, f"{where}: tokenizer")
        if self.label_config.phone_set != self.model_config.phone_set:
            raise RequestError(f"{where}: labels.phones and model.phones are not the same phone set")
        if config.data.seconds != self.model_config.seconds or config.data.corruption:
            raise RequestError(
                f'{where}: wanted data.seconds = model.seconds and data.corruption = ""; '
                f"they are {config.data.seconds:g}, {self.model_config.seconds:g} and {config.data.corruption!r}"
            )
        self.codec = choice.codec(config.seed)
        if not self.codec.config.semantic:
            raise RequestError(f"{where}: the codec has no semantic layer; wanted SISE's codec with one")
        self.sampling.require_layers(self.codec.config.acoustic)
        self.rate, self.codec_identity = self.codec.rate, choice.identity  # hashed now: the file may change later
        self.module = SpeechModel(self.model_config, self.codec.config)
        self.labels: dict[str, Labels] = {}

    def prepare_stream(self, stream: str, recordings: Recordings, folder: Path, progress: Progress) -> None:
        table = folder / f"labels-{stream}.csv"
        self.labels[stream] = labels_of(self.label_config, recordings, table, progress, required=stream == "train")

    def setup(self, fabric: Any) -> None:
        super().setup(fabric)
        self.codec.to(fabric.device)

    def features_identity(self) -> str:
        return self.codec_identity

    def to_examples(self, batch: Batch, stream: str = "train") -> Batch:
        """Codes and phones of each crop, and its layer, prompts and masks, which are drawn by its index."""
        device, codes = batch["clean"].device, self.codec.encode(batch["clean"])
        frames, share = codes.shape[2], self.model_config.unconditional
        layers, masks, spoken, prompts = [], [], [], []
        for index, labels in zip(batch["index"], self._frame_labels(batch, frames, stream), strict=True):
            rng = generator("tts", stream, self.config.seed, int(index))
            semantic, acoustic = (draw_mask(rng, stage, frames, share) for stage in ("semantic", "acoustic"))
            layers.append(draw_layer(rng, self.codec.config.acoustic))
            sequence = phones_of_frames(labels, self.codec.hop / self.rate)
            spoken.append(sequence if semantic.prompt else [])
            masks.append([semantic.masked & bool(sequence), acoustic.masked])
            prompts.append(acoustic.prompt)
        return {
            **batch,
            "codes": codes,
            "sequence": torch.from_numpy(padded([[one.phone for one in row] for row in spoken])).long().to(device),
            "places": torch.from_numpy(padded([[one.middle for one in row] for row in spoken], 0)).float().to(device),
            "lengths": torch.from_numpy(padded([lengths(row) for row in spoken], 0)).float().to(device),
            "layer": torch.tensor(layers, device=device),
            "masked": torch.from_numpy(np.array(masks)).to(device),
            "prompt": torch.tensor(prompts, device=device),
        }

    def _frame_labels(self, batch: Batch, frames: int, stream: str) -> list[NDArray[np.int64]]:
        """Phone classes [frame] of each crop, from the material or from the corpora's alignments."""
        if "phones" in batch:
            return list(batch["phones"].cpu().numpy())
        return [
            self.labels[stream].crop(int(recording), float(start), frames, self.codec.hop, self.rate)
            for recording, start in zip(batch["recording"], batch["start"], strict=True)
        ]

    def losses(self, model: nn.Module, examples: Batch, share: Tensor) -> tuple[Tensor, Values]:
        """Cross-entropy of each stage's masked tokens, a mean over a crop's tokens, then over the crops."""
        values = self._losses(model, examples)
        part = share * len(examples["clean"])
        total = torch.stack([value for name, value in values.items() if name.startswith("loss")]).sum()
        return total * part, {name: value * part for name, value in values.items()}

    def _losses(self, model: nn.Module, examples: Batch) -> Values:
        codes, layer, masked = examples["codes"], examples["layer"], examples["masked"]
        mask_code = self.codec.codebook_size
        tokens = codes[:, 0].masked_fill(masked[:, 0], mask_code)
        hidden = hide(codes[:, 1:], layer, masked[:, 1], examples["prompt"], mask_code)
        phones = examples["sequence"], examples["places"]
        semantic, acoustic, log_frames = model(tokens, *phones, hidden, layer, codes[:, 0])
        wanted = codes[torch.arange(len(codes), device=codes.device), 1 + layer]
        values = {
            **stage_values("semantic", semantic, codes[:, 0], masked[:, 0]),
            **stage_values("acoustic", acoustic, wanted, masked[:, 1]),
        }
        return values if log_frames is None else values | {"loss_durations": duration_loss(log_frames, examples)}

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> Values:
        """The mean of each value over the batches in which it is defined: crops without an alignment have no semantic
        loss and no durations."""
        model = self.eval_model.eval()
        by_name: dict[str, list[Tensor]] = {}
        for batch in batches:
            examples = self.to_examples(batch, "validation")
            counted = {"semantic": examples["masked"][:, 0], "acoustic": examples["masked"][:, 1]}
            counted["durations"] = examples["lengths"] > 0
            for name, value in self._losses(model, examples).items():
                if counted[name.partition("_")[2]].any():
                    by_name.setdefault(name, []).append(value)
        return {name: torch.stack(values).mean() for name, values in by_name.items()}

    @torch.inference_mode()
    def sample_audio(self, batch: Batch) -> list[tuple[str, Audio]]:
        """Each crop with its end synthesised after its beginning, if it has an alignment, and its decoded codes."""
        model, codes = self.eval_model.eval(), self.codec.encode(batch["clean"])
        frames = codes.shape[2]
        prompt = int(LONGEST_PROMPT["semantic"] * frames)
        sounds = []
        for item, labels in enumerate(self._frame_labels(batch, frames, "validation")):
            spoken = phones_of_frames(labels, self.codec.hop / self.rate)
            continued = codes[item : item + 1]
            if spoken:
                rng = generator("listen", self.config.seed, int(batch["index"][item]))
                phones, middles = [one.phone for one in spoken], [one.middle for one in spoken]
                places = None if model.durations is None else middles
                drawn = say(model, codes[item, :, :prompt], phones, places, frames - prompt, rng, self.sampling)
                continued = torch.cat([codes[item, :, :prompt], drawn], dim=1)[None]
            for name, clip_codes in (("said", continued), ("target-codec", codes[item : item + 1])):
                samples = self.codec.decode(clip_codes)[0].float().cpu().numpy()
                sounds.append((f"{item}-{name}", Audio(samples, self.rate)))
        return sounds

    def export(self) -> Checkpoint:
        """Both stages and the codec in one checkpoint."""
        return with_codec(self.kind, self.eval_model, self.model_config, self.codec, self.sampling)


def lengths(spoken: Sequence[Timed]) -> list[float]:
    """Number of frames of each phone; 0 for the first and the last phone, which the crop may have cut."""
    whole = [one.end - one.start for one in spoken]
    return [0.0, *whole[1:-1], 0.0][: len(whole)]


def duration_loss(log_frames: Tensor, examples: Batch) -> Tensor:
    """Mean squared error of the log-frames [batch, phone] over the phones whose length is known."""
    known = examples["lengths"] > 0
    error = log_frames.float() - examples["lengths"].clamp(min=1e-3).log()
    return (error.square() * known).sum() / known.sum().clamp(min=1)


def hide(codes: Tensor, layer: Tensor, masked: Tensor, prompt: Tensor, mask_code: int) -> Tensor:
    """Acoustic codes in which `layer` is masked where `masked` is true and later layers are masked after the prompt.

    codes [batch, layer, frame], layer [batch], masked [batch, frame] bool, prompt [batch]: frames that are known.
    """
    number = torch.arange(codes.shape[1], device=codes.device)[None, :, None]
    after_prompt = torch.arange(codes.shape[2], device=codes.device) >= prompt[:, None, None]
    own, later = number == layer[:, None, None], number > layer[:, None, None]
    return codes.masked_fill((later & after_prompt) | (own & masked[:, None]), mask_code)


def stage_values(stage: str, logits: Tensor, wanted: Tensor, masked: Tensor) -> Values:
    """Loss and accuracy over masked tokens; crops without a masked token do not count.

    logits [batch, frame, code], wanted and masked [batch, frame].
    """
    loss = functional.cross_entropy(logits[masked].float(), wanted[masked], reduction="none")
    crop = torch.arange(len(wanted), device=wanted.device)[:, None].expand_as(masked)[masked]
    sums = torch.zeros(len(wanted), device=wanted.device).index_add(0, crop, loss)
    crops = masked.any(1)
    right = (logits[masked].argmax(-1) == wanted[masked]).float()
    return {
        f"loss_{stage}": (sums / masked.sum(1).clamp(min=1)).sum() / crops.sum().clamp(min=1),
        f"accuracy_{stage}": right.sum() / masked.sum().clamp(min=1),
    }
