"""Trains a frame codec with losses on spectra, phase and pitch and optional discriminators; revives dead codes.

With `tokenizer.checkpoint` only the decoder of a trained codec is trained further: encoder and quantiser are frozen,
so that models of the codes remain usable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from restorebench.benchmark.core.seeds import integer
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.tokenizers import losses as loss
from restorebench.systems.tokenizers.config import CodecLossConfig, FrameCodecConfig
from restorebench.systems.tokenizers.discriminators import Discriminators, discriminator_loss, generator_losses
from restorebench.systems.tokenizers.frame_codec import FrameCodec
from restorebench.systems.tokenizers.frames import VOICED, pitch_loss
from restorebench.systems.tokenizers.pitch import Pitch, track
from restorebench.systems.tokenizers.quantizer import perplexity
from restorebench.systems.tokenizers.upkeep import keep_alive
from restorebench.systems.training import checkpoint
from restorebench.systems.training.checkpoint import Checkpoint
from restorebench.systems.training.config import RunConfig, parse
from restorebench.systems.training.data import Batch
from restorebench.systems.training.distributed import take_from_first
from restorebench.systems.training.task import Task, Values, ema_copy, learning_rate, update_ema


class TrainedCodec(nn.Module):
    """A codec with the modules that only training needs. Subclasses add heads; `forward` is for training."""

    def __init__(self, codec: Any) -> None:
        super().__init__()
        self.codec = codec

    def forward(
        self, clean: Tensor, pitch: Pitch, stages: Tensor | None, quantised: bool
    ) -> tuple[Tensor, Tensor, Any, dict[str, Tensor]]:
        """(reconstruction [batch, time], pitch logits, the quantisers' output or None, logits of heads by name)."""
        latents = self.codec.latents(clean)
        factorised = None
        with torch.autocast(clean.device.type, enabled=False):
            if quantised:
                factorised = self.codec.quantise(latents.float(), stages)
        synthesised = self.codec.decoder(latents if factorised is None else factorised.output, pitch, clean)
        return synthesised.audio[:, : clean.shape[-1]], synthesised.pitch_logits, factorised, self.heads(factorised)

    def heads(self, quantised: Any) -> dict[str, Tensor]:
        return {}


class FrameCodecTask(Task):
    kind = "frame-codec"
    tables = ("model", "tokenizer", "losses")

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.weights: CodecLossConfig = parse(CodecLossConfig, config.losses, f"{config.name}: losses")
        self.module = self.make()
        self.rate, self.hop = self.module.codec.rate, self.module.codec.hop
        self.distance = loss.SpectralDistance(self.rate)
        self.discriminators = Discriminators() if self.weights.adversarial else None
        start = str(config.tokenizer.get("checkpoint", ""))
        self.decoder_only = bool(start)
        self.quantised = self.decoder_only
        """Whether the quantisers are in use; they are not before step `quantise_after`."""
        if self.decoder_only:
            self.take_up(Path(start))

    def make(self) -> TrainedCodec:
        return TrainedCodec(FrameCodec(parse(FrameCodecConfig, self.config.model, f"{self.config.name}: model")))

    def take_up(self, path: Path) -> None:
        """Starts from a trained codec of the same shape. Raises RequestError."""
        loaded = checkpoint.read(path, self.kind)
        if not loaded.config.get("quantised", True):
            raise RequestError(f"{path}: stopped before its quantiser started; train it longer (--resume)")
        checkpoint.fill(self.module.codec, loaded.tensors, path)
        self.started_from = {key: loaded.card.get(key) for key in ("name", "steps", "minutes", "machine", "commit")}
        for part in self.module.codec.children():
            part.requires_grad_(part is self.module.codec.decoder)

    def setup(self, fabric: Any) -> None:
        training = self.config.training
        self.fabric = fabric
        learning = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        fused = fabric.device.type == "cuda"
        optimiser = torch.optim.AdamW(learning, lr=training.rate, betas=training.betas, weight_decay=1e-3, fused=fused)
        self.wrapped, self.optimiser = fabric.setup(self.module, optimiser)
        if self.discriminators is not None:
            rate = self.weights.discriminator_rate
            critic = torch.optim.AdamW(self.discriminators.parameters(), lr=rate, betas=training.betas, fused=fused)
            self.wrapped_critics, self.critic_optimiser = fabric.setup(self.discriminators, critic)
        self.average = ema_copy(self.module) if training.ema else None
        self.distance.to(fabric.device)

    @property
    def eval_model(self) -> TrainedCodec:
        """The weights that are validated and saved."""
        return self.module if self.average is None else self.average

    def step(self, micro_batches: Sequence[Batch], step: int) -> Values:
        training = self.config.training
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(training, step, self.elapsed)
        if not self.quantised and step == self.weights.quantise_after:
            self.start_quantisers(micro_batches[0])
        self.wrapped.train()
        self.optimiser.zero_grad()
        values: Values = {}
        codes = []
        for index, batch in enumerate(micro_batches):
            with self.fabric.no_backward_sync(self.wrapped, enabled=index < len(micro_batches) - 1):
                pitch = self.pitch(batch["clean"])
                estimates, logits, quantised, heads = self.wrapped(
                    batch["clean"], pitch, self.stages(batch), self.quantised
                )
                total, parts = self.losses(batch, estimates, logits, pitch, quantised, heads)
                if self.discriminators is not None:
                    strength = min(1.0, step / self.weights.ramp)
                    adversarial, adversarial_parts = self.compete(estimates, batch["clean"], strength)
                    total, parts = total + adversarial, parts | adversarial_parts
                self.fabric.backward(total / len(micro_batches))
            for name, value in parts.items():
                values[name] = values.get(name, 0.0) + value.detach() / len(micro_batches)
            if quantised is not None:
                codes.append(quantised)
        if training.clip:
            values["gradient"] = self.fabric.clip_gradients(
                self.wrapped, self.optimiser, max_norm=training.clip, error_if_nonfinite=False
            ).detach()
        self.optimiser.step()
        if self.average is not None:
            update_ema(self.average, self.module, min(training.ema, (1 + step) / (10 + step)))
        return values | (self.keep_alive(codes, step) if codes and not self.decoder_only else {})

    def pitch(self, clean: Tensor) -> Pitch:
        """The recording's pitch; `periodicity` is converted to the share of pulses (0 to 1)."""
        pitch = track(clean, self.rate, self.hop)
        share = (pitch.periodicity - VOICED[0]) / (VOICED[1] - VOICED[0])
        return Pitch(pitch.hz, share.clamp(0, 1))

    def stages(self, batch: Batch) -> Tensor | None:
        """Quantiser stages that each clip keeps; None: all."""
        return None

    def losses(
        self, batch: Batch, estimate: Tensor, logits: Tensor, pitch: Pitch, quantised: Any, heads: dict[str, Tensor]
    ) -> tuple[Tensor, Values]:
        clean, weights = batch["clean"], self.weights
        mel, magnitude = self.distance(estimate, clean)
        pitch_entropy, voicing = pitch_loss(logits, pitch)
        values = {
            "mel": mel,
            "magnitude": magnitude,
            "low_band": loss.low_band(estimate, clean, self.rate),
            "phase_advance": loss.phase_advance(estimate, clean, self.rate),
            "aligned_phase": loss.aligned_phase(estimate, clean, pitch.periodicity, self.rate),
            "pitch": pitch_entropy + voicing,
        }
        if quantised is not None:
            values |= {"codebook": quantised.codebook_loss, "commitment": quantised.commitment_loss}
        total = torch.stack([getattr(weights, name) * value for name, value in values.items()]).sum()
        return total, values

    def compete(self, estimate: Tensor, clean: Tensor, strength: float) -> tuple[Tensor, Values]:
        """One discriminator step, then the adversarial and feature losses of the codec, scaled by `strength`."""
        outputs = self.wrapped_critics(torch.cat([clean, estimate.detach()]))
        critic = discriminator_loss(outputs)
        self.critic_optimiser.zero_grad()
        self.fabric.backward(critic)
        self.fabric.clip_gradients(self.wrapped_critics, self.critic_optimiser, max_norm=10.0, error_if_nonfinite=False)
        self.critic_optimiser.step()
        clean_outputs = [
            output._replace(features=[feature.detach().chunk(2)[0] for feature in output.features])
            for output in outputs
        ]
        assert self.discriminators is not None
        self.discriminators.requires_grad_(False)
        try:
            adversarial, feature = generator_losses(self.wrapped_critics(estimate), clean_outputs)
        finally:
            self.discriminators.requires_grad_(True)
        total = strength * (self.weights.adversarial * adversarial + self.weights.feature * feature)
        return total, {"discriminator": critic, "adversarial": adversarial, "feature": feature}

    def start_quantisers(self, batch: Batch) -> None:
        """Fits the quantisers to the first process's batch and copies them to the other processes."""
        codec = self.module.codec
        with torch.no_grad():
            latents = codec.latents(batch["clean"])
        codec.start_from(latents, torch.Generator().manual_seed(integer("k-means", self.config.seed)))
        for quantizer in codec.quantizers():
            take_from_first(quantizer.state_dict().values())
        self.quantised = True
        if self.average is not None:
            self.average.codec.load_state_dict(codec.state_dict())

    def keep_alive(self, quantised: Sequence[Any], step: int) -> Values:
        moved = 0
        for quantizer, parts in zip(self.module.codec.quantizers(), self.parts(quantised), strict=True):
            codes, latents = [part.codes for part in parts], parts[0].latents
            moved += keep_alive(self.fabric, quantizer, codes, latents, self.config.seed, step)
        return {"revived": torch.tensor(float(moved))}

    def parts(self, quantised: Sequence[Any]) -> list[list[Any]]:
        """Outputs of each quantiser per micro-batch, in the order of `quantizers`."""
        return [list(quantised)]

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> Values:
        """Distances to the clean clips, decoded as at inference: with the pitch that the decoder predicts."""
        codec = self.eval_model.eval().codec
        by_name: dict[str, list[Tensor]] = {}
        codes = []
        for batch in batches:
            clean = batch["clean"]
            latents = codec.latents(clean)
            quantised = codec.quantise(latents) if self.quantised else None
            estimate = codec.decoder(latents if quantised is None else quantised.output)
            audio = estimate.audio[:, : clean.shape[-1]]
            mel, magnitude = self.distance(audio, clean)
            pitch = self.pitch(clean)
            values = {"mel": mel, "magnitude": magnitude, "low_band": loss.low_band(audio, clean, self.rate)}
            values["phase_advance"] = loss.phase_advance(audio, clean, self.rate)
            values["gross_pitch_error"] = gross_error(codec.decoder.predicted(estimate.pitch_logits), pitch)
            for name, value in values.items():
                by_name.setdefault(name, []).append(value)
            if quantised is not None:
                codes.append(quantised.codes)
        means = {name: torch.stack(values).mean() for name, values in by_name.items()}
        if codes:
            used = perplexity(torch.cat(codes), codec.codebook_size)
            means |= {"perplexity": used.mean(), "perplexity_least": used.min()}
            means |= {f"perplexity/{k + 1}": value for k, value in enumerate(used)}
        return means

    def restorer(self) -> Callable[[Tensor], Tensor]:
        """A function that encodes and decodes audio [batch, time] with the codec."""
        codec = self.eval_model.eval().codec

        def restore(audio: Tensor) -> Tensor:
            latents = codec.latents(audio)
            features = codec.quantise(latents).output if self.quantised else latents
            return torch.as_tensor(codec.decoder(features).audio[:, : audio.shape[-1]])

        return restore

    @torch.no_grad()
    def sample_audio(self, batch: Batch) -> list[tuple[str, Audio]]:
        decoded = self.restorer()(batch["clean"])
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
        if self.discriminators is not None:
            state["discriminators"] = self.discriminators.state_dict()
            state["critic_optimiser"] = self.critic_optimiser.state_dict()
        return state

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.quantised = state["quantised"]
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.discriminators is not None:
            self.discriminators.load_state_dict(state["discriminators"])
            self.critic_optimiser.load_state_dict(state["critic_optimiser"])

    def export(self) -> Checkpoint:
        """The codec alone: heads and discriminators are needed for training only."""
        codec = self.eval_model.codec
        tensors = {key: value.detach().cpu() for key, value in codec.state_dict().items()}
        return Checkpoint(
            self.kind, tensors, {"model": codec.config.model_dump(mode="json"), "quantised": self.quantised}
        )


def gross_error(estimate: Pitch, wanted: Pitch) -> Tensor:
    """Share of voiced frames whose pitch is off by more than 0.2 in its logarithm (+22 %, -18 %)."""
    voiced = wanted.periodicity > 0.5
    wrong = ((estimate.hz / wanted.hz).log().abs() > 0.2) & voiced
    return wrong.sum() / voiced.sum().clamp(min=1)
