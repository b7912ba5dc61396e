"""Trains the factorised codec: DAC's losses with SISE's weights, phone prediction, discriminators (SISE §2.1, eq. 1).

Probes on detached tokens predict phones from acoustic tokens, and speakers from both kinds. They do not affect the
codec, and show how well semantic and acoustic tokens are disentangled.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from restorebench.benchmark.core.seeds import generator, integer
from restorebench.benchmark.types import Audio
from restorebench.systems.sise.codec import Factorised, FactorisedCodec, Predictor
from restorebench.systems.sise.config import CodecConfig
from restorebench.systems.sise.labels import LabelConfig, Labels, labels_of
from restorebench.systems.sise.objectives import accuracy, masked_cross_entropy
from restorebench.systems.sise.phonemes import IGNORED, UNKNOWN
from restorebench.systems.tokenizers.quantizer import ResidualQuantizer, perplexity
from restorebench.systems.tokenizers.upkeep import keep_alive
from restorebench.systems.training.checkpoint import Checkpoint
from restorebench.systems.training.config import RunConfig, parse
from restorebench.systems.training.data import Batch
from restorebench.systems.training.distributed import take_from_first
from restorebench.systems.training.recordings import Recordings
from restorebench.systems.training.task import Progress, Task, Values, ema_copy, learning_rate, update_ema

MEL_WINDOWS, MELS = (32, 64, 128, 256, 512, 1024, 2048), (5, 10, 20, 40, 80, 160, 320)
FLOOR = 1e-5
CLIP_GENERATOR, CLIP_DISCRIMINATOR = 1e3, 10.0
"""Maximum gradient norms, as in DAC."""


class LossConfig(BaseModel):
    """Weights of equation 1; `adversarial = 0` trains without discriminators."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reconstruction: float = 5.0
    adversarial: float = 4.0
    feature: float = 4.0
    codebook: float = 1.0
    commitment: float = 1.0
    semantic: float = 10.0
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    fft_sizes: tuple[int, ...] = (2048, 1024, 512)
    quantise_after: int = Field(default=0, ge=0)
    """Number of steps that train only encoder and decoder, before the quantisers are initialised from the encoder's
    latents. The latents of an untrained encoder would soon move away from codes initialised on them."""
    probes: bool = True
    speakers: int = Field(default=512, ge=1)
    """Maximum number of speakers that the probes classify."""


class MelLoss(nn.Module):
    """DAC's multi-scale mel distance: L1 of log10 mels, summed over seven scales."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        from torchaudio.transforms import MelSpectrogram

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the narrowest bands of the smallest windows are empty, as in DAC
            self.mels = nn.ModuleList(
                MelSpectrogram(
                    rate, window, hop_length=window // 4, n_mels=mels, power=1.0, norm="slaney", mel_scale="slaney"
                )
                for window, mels in zip(MEL_WINDOWS, MELS, strict=True)
            )

    def forward(self, estimate: Tensor, wanted: Tensor) -> Tensor:
        """A scalar for audio [batch, time]."""
        total = estimate.new_zeros(())
        for mel in self.mels:
            estimate_mel, wanted_mel = mel(estimate).clamp(min=FLOOR).log10(), mel(wanted).clamp(min=FLOOR).log10()
            total = total + functional.l1_loss(estimate_mel, wanted_mel)
        return total


class Generator(nn.Module):
    """The codec, the phone predictor that is trained with it, and the probes, which do not affect the codec."""

    def __init__(self, config: CodecConfig, phones: int, speakers: int, probes: bool) -> None:
        super().__init__()
        self.codec = FactorisedCodec(config)
        semantic = config.semantic
        self.phones = Predictor(config.width, phones) if semantic else None
        self.phone_probe = Predictor(config.width, phones) if probes else None
        self.speaker_probes = nn.ModuleDict(
            {
                name: nn.Linear(config.width, speakers)
                for name in (("semantic", "acoustic") if semantic else ("acoustic",))
            }
            if probes
            else {}
        )

    def forward(
        self, audio: Tensor, stages: Tensor | None, quantised: bool = True
    ) -> tuple[Tensor, Factorised, dict[str, Tensor]]:
        """Reconstruction [batch, time], tokens, and logits by name."""
        estimate, factorised = self.codec(audio, stages, quantised)
        logits = {}
        if self.phones is not None and factorised.semantic is not None:
            logits["phones"] = self.phones(factorised.semantic.output)
        detached = {"acoustic": factorised.acoustic.output.detach()}
        if factorised.semantic is not None:
            detached["semantic"] = factorised.semantic.output.detach()
        if self.phone_probe is not None:
            logits["phone_probe"] = self.phone_probe(detached["acoustic"])
        for name, probe in self.speaker_probes.items():
            logits[f"speaker_{name}"] = probe(detached[name].mean(2))
        return estimate, factorised, logits


class SiseCodecTask(Task):
    kind = "sise-codec"
    tables = ("model", "losses", "labels")

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.codec_config: CodecConfig = parse(CodecConfig, config.model, f"{config.name}: model")
        self.weights: LossConfig = parse(LossConfig, config.losses, f"{config.name}: losses")
        self.label_config: LabelConfig = parse(LabelConfig, config.labels, f"{config.name}: labels")
        self.rate = self.codec_config.rate
        classes = self.label_config.phone_set.classes
        self.module = Generator(self.codec_config, classes, self.weights.speakers, self.weights.probes)
        self.mel = MelLoss(self.rate)
        self.discriminator = self._discriminator() if self.weights.adversarial else None
        self.quantised = False
        """Whether the quantisers have been initialised and are used."""
        self.labels: dict[str, Labels] = {}
        self.speakers: dict[str, list[int]] = {}

    def _discriminator(self) -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from dac.model.discriminator import Discriminator

            discriminator: nn.Module = Discriminator(
                rates=[], periods=list(self.weights.periods), fft_sizes=list(self.weights.fft_sizes),
                sample_rate=self.rate,
            )  # fmt: skip
            return discriminator

    def prepare_stream(self, stream: str, recordings: Recordings, folder: Path, progress: Progress) -> None:
        self.labels[stream] = labels_of(
            self.label_config, recordings, folder / f"labels-{stream}.csv", progress, required=stream == "train"
        )
        speakers = recordings.column("speaker")
        names = sorted(set(speakers) - {""})[: self.weights.speakers]
        class_of = {name: number for number, name in enumerate(names)} if stream == "train" else {}
        self.speakers[stream] = [class_of.get(speaker, IGNORED) for speaker in speakers]

    def setup(self, fabric: Any) -> None:
        training = self.config.training
        self.fabric = fabric
        optimiser = torch.optim.Adam(self.module.parameters(), lr=training.rate, betas=training.betas)
        self.wrapped, self.optimiser = fabric.setup(self.module, optimiser)
        if self.discriminator is not None:
            critic = torch.optim.Adam(self.discriminator.parameters(), lr=training.rate, betas=training.betas)
            self.wrapped_critic, self.critic_optimiser = fabric.setup(self.discriminator, critic)
        self.average = ema_copy(self.module) if training.ema else None
        self.mel.to(fabric.device)

    @property
    def eval_model(self) -> Generator:
        return self.module if self.average is None else self.average

    def start_quantisers(self, batch: Batch) -> None:
        """Initialises the quantisers from the first process's batch."""
        codec = self.module.codec
        with torch.no_grad():
            h = codec.latents(batch["clean"])
        codec.start_from(h, torch.Generator().manual_seed(integer("k-means", self.config.seed)))
        for quantizer in codec.quantizers():
            take_from_first(quantizer.state_dict().values())
        if self.average is not None:
            self.average.codec.load_state_dict(codec.state_dict())

    def step(self, micro_batches: Sequence[Batch], step: int) -> Values:
        """Discriminators first, then the codec, as in DAC."""
        training = self.config.training
        optimisers = [self.optimiser] if self.discriminator is None else [self.optimiser, self.critic_optimiser]
        for group in (group for optimiser in optimisers for group in optimiser.param_groups):
            group["lr"] = learning_rate(training, step, self.elapsed)
        if step == self.weights.quantise_after:
            self.start_quantisers(micro_batches[0])
            self.quantised = True
        self.wrapped.train()
        values: Values = {}
        outputs = [self.wrapped(batch["clean"], self.stages(batch), self.quantised) for batch in micro_batches]
        if self.discriminator is not None:
            values |= self._train_discriminator([m[0].detach() for m in outputs], [b["clean"] for b in micro_batches])
        self.optimiser.zero_grad()
        for index, (batch, (sound, factorised, logits)) in enumerate(zip(micro_batches, outputs, strict=True)):
            with self.fabric.no_backward_sync(self.wrapped, enabled=index < len(outputs) - 1):
                loss, parts = self._losses(batch, sound, factorised, logits)
                self.fabric.backward(loss / len(outputs))
            for name, value in parts.items():
                values[name] = values.get(name, torch.zeros_like(value)) + value.detach() / len(outputs)
        self.fabric.clip_gradients(self.wrapped, self.optimiser, max_norm=CLIP_GENERATOR, error_if_nonfinite=False)
        self.optimiser.step()
        if self.average is not None:
            update_ema(self.average, self.module, min(training.ema, (1 + step) / (10 + step)))
        return values | (self._keep_alive([m[1] for m in outputs], step) if self.quantised else {})

    def stages(self, batch: Batch) -> Tensor:
        """Number of acoustic stages per clip: U{1, N} for a share of clips, N for the rest.

        The index of each clip seeds its draw.
        """
        total = len(self.module.codec.acoustic.stages)
        counts = []
        for index in batch["index"]:
            rng = generator("stages", self.config.seed, int(index))
            reduced = rng.random() < self.codec_config.dropout
            counts.append(int(rng.integers(1, total + 1)) if reduced else total)
        return torch.tensor(counts, device=batch["clean"].device)

    def targets(self, batch: Batch, stream: str) -> tuple[Tensor, Tensor]:
        """Phone classes [batch, frame] and speakers [batch]."""
        frames = -(-batch["clean"].shape[-1] // self.codec_config.hop)
        recordings = [int(recording) for recording in batch["recording"]]
        phones = [
            self.labels[stream].crop(recording, float(start), frames, self.codec_config.hop, self.rate)
            for recording, start in zip(recordings, batch["start"], strict=True)
        ]
        speakers = [self.speakers[stream][recording] for recording in recordings]
        device = batch["clean"].device
        return torch.from_numpy(np.stack(phones)).to(device), torch.tensor(speakers, device=device)

    def _losses(
        self, batch: Batch, estimate: Tensor, factorised: Factorised, logits: dict[str, Tensor]
    ) -> tuple[Tensor, Values]:
        clean, weights = batch["clean"], self.weights
        phones, speakers = self.targets(batch, "train")
        values = {
            "phones_known": (phones > UNKNOWN).sum() / (phones >= UNKNOWN).sum().clamp(min=1),
            "mel": self.mel(estimate, clean),
            "codebook": factorised.codebook_loss,
            "commitment": factorised.commitment_loss,
        }
        loss = weights.reconstruction * values["mel"] + weights.codebook * values["codebook"]
        loss = loss + weights.commitment * values["commitment"]
        if "phones" in logits:
            values["phones"] = masked_cross_entropy(logits["phones"], phones)
            loss = loss + weights.semantic * values["phones"]
        if "phone_probe" in logits:
            loss = loss + masked_cross_entropy(logits["phone_probe"], phones)
        for name in ("semantic", "acoustic"):
            if f"speaker_{name}" in logits:
                speaker_logits = logits[f"speaker_{name}"]
                loss = loss + masked_cross_entropy(speaker_logits[..., None], speakers[:, None])
                values[f"speaker_accuracy/{name}"] = accuracy(speaker_logits[..., None], speakers[:, None])
        if self.discriminator is not None:
            adversarial, feature = self._adversarial_losses(estimate, clean)
            values |= {"adversarial": adversarial, "feature": feature}
            loss = loss + weights.adversarial * adversarial + weights.feature * feature
        return loss, values

    def _train_discriminator(self, estimates: list[Tensor], clean: list[Tensor]) -> Values:
        """Least squares, summed over discriminators."""
        self.critic_optimiser.zero_grad()
        total = torch.zeros((), device=clean[0].device)
        for index, (fake, real) in enumerate(zip(estimates, clean, strict=True)):
            with self.fabric.no_backward_sync(self.wrapped_critic, enabled=index < len(estimates) - 1):
                outputs = zip(self.wrapped_critic(fake[:, None]), self.wrapped_critic(real[:, None]), strict=True)
                loss = sum(
                    (on_fake[-1].square().mean() + (1 - on_real[-1]).square().mean() for on_fake, on_real in outputs),
                    start=total * 0,
                )
                self.fabric.backward(loss / len(estimates))
            total = total + loss.detach() / len(estimates)
        self.fabric.clip_gradients(
            self.wrapped_critic, self.critic_optimiser, max_norm=CLIP_DISCRIMINATOR, error_if_nonfinite=False
        )
        self.critic_optimiser.step()
        return {"discriminator": total}

    def _adversarial_losses(self, estimate: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """(adversarial, feature matching), each summed over discriminators; no gradient reaches their weights."""
        assert self.discriminator is not None
        self.discriminator.requires_grad_(False)
        try:
            fake = self.discriminator(estimate[:, None])
            with torch.no_grad():
                real = self.discriminator(clean[:, None])
        finally:
            self.discriminator.requires_grad_(True)
        adversarial, feature = estimate.new_zeros(()), estimate.new_zeros(())
        for fake_layers, real_layers in zip(fake, real, strict=True):
            adversarial = adversarial + (1 - fake_layers[-1]).square().mean()
            for fake_layer, real_layer in zip(fake_layers[:-1], real_layers[:-1], strict=True):
                feature = feature + functional.l1_loss(fake_layer, real_layer)
        return adversarial, feature

    def _keep_alive(self, factorised: Sequence[Factorised], step: int) -> Values:
        codec, revived = self.module.codec, 0
        pairs: list[tuple[ResidualQuantizer, list[Any]]] = [
            (codec.acoustic, [output.acoustic for output in factorised])
        ]
        if codec.semantic is not None:
            pairs.append((codec.semantic, [output.semantic for output in factorised]))
        for quantizer, factorised_codes in pairs:
            codes, latents = [part.codes for part in factorised_codes], factorised_codes[0].latents
            revived += keep_alive(self.fabric, quantizer, codes, latents, self.config.seed, step)
        return {"revived": torch.tensor(float(revived))}

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> Values:
        """Mel distance, code use, and phone accuracy from semantic and from acoustic tokens, on validation clips."""
        model = self.eval_model.eval()
        mel, codes, correct, labelled = [], [], {"phones": 0.0, "phone_probe": 0.0}, 0.0
        for batch in batches:
            estimate, factorised, logits = model(batch["clean"], None, self.quantised)
            phones, _ = self.targets(batch, "validation")
            mel.append(self.mel(estimate, batch["clean"]))
            codes.append(factorised.codes)
            speech = phones > UNKNOWN
            labelled += float(speech.sum())
            for name in correct.keys() & logits.keys():
                correct[name] += float(((logits[name].argmax(1) == phones) & speech).sum())
        if not self.quantised:
            return {"mel": torch.stack(mel).mean()}
        used = perplexity(torch.cat(codes), self.codec_config.codebook_size)
        values = {"mel": torch.stack(mel).mean(), "perplexity": used.mean(), "perplexity_least": used.min()}
        values |= {f"perplexity/{layer}": value for layer, value in enumerate(used)}
        values["dead"] = torch.tensor(float(sum(int((s.usage < 0.03).sum()) for s in self._stages(model.codec))))
        if labelled:
            names = {"phones": "semantic", "phone_probe": "acoustic"}
            for name in names.keys() & self._predictors(model):
                values[f"phone_accuracy/{names[name]}"] = torch.tensor(correct[name] / labelled)
        return values

    def _predictors(self, model: Generator) -> set[str]:
        predictors = {"phones": model.phones, "phone_probe": model.phone_probe}
        return {name for name, module in predictors.items() if module is not None}

    def _stages(self, codec: FactorisedCodec) -> list[Any]:
        return [stage for quantizer in codec.quantizers() for stage in quantizer]

    @torch.no_grad()
    def sample_audio(self, batch: Batch) -> list[tuple[str, Audio]]:
        decoded, _ = self.eval_model.eval().codec(batch["clean"], None, self.quantised)
        sounds = []
        for index, (clean, coded) in enumerate(zip(batch["clean"], decoded, strict=True)):
            sounds.append((f"{index}-clean", Audio(clean.float().cpu().numpy(), self.rate)))
            sounds.append((f"{index}-codec", Audio(coded.float().cpu().numpy(), self.rate)))
        return sounds

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"quantised": self.quantised, "module": self.module.state_dict()}
        state |= {"optimiser": self.optimiser.state_dict(), "average": None}
        if self.average is not None:
            state["average"] = self.average.state_dict()
        if self.discriminator is not None:
            state["discriminator"] = self.discriminator.state_dict()
            state["critic_optimiser"] = self.critic_optimiser.state_dict()
        return state

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.quantised = state["quantised"]
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.discriminator is not None:
            self.discriminator.load_state_dict(state["discriminator"])
            self.critic_optimiser.load_state_dict(state["critic_optimiser"])

    def export(self) -> Checkpoint:
        """The codec alone: predictor, probes and discriminators are for training."""
        tensors = {key: value.detach().cpu() for key, value in self.eval_model.codec.state_dict().items()}
        config = {"model": self.codec_config.model_dump(mode="json"), "quantised": self.quantised}
        return Checkpoint(self.kind, tensors, config)
