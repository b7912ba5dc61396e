"""SISE as a restorer that runs from a checkpoint (`sise@FILE`), window by window.

The paper does not say how to cut long inputs. Here, windows have the length of training crops and do not overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.checkpoints import bundled
from restorebench.systems.sise.config import DiffusionConfig, SamplingConfig
from restorebench.systems.windows import GROUP, JOINED_S, Window, device, restore_windows


class SiseSystem:
    def __init__(
        self, card: SystemCard, checkpoint: Path, semantic: bool, model: DiffusionConfig | None,
        sampling: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """`semantic`: whether the codec must have a semantic layer; `model`: the config that the checkpoint must
        have, None for any; `sampling`: settings that replace the checkpoint's.

        Loads no weights. Raises RequestError for a checkpoint of another kind or variant.
        """
        from restorebench.systems.training.checkpoint import header, training_facts
        from restorebench.systems.training.config import parse

        facts = header(checkpoint, "sise", ("model", "codec", "sampling", "rate"))
        self.checkpoint, self.config = checkpoint, facts["config"]
        if self.config["codec"]["semantic"] != semantic:
            presence = "with" if self.config["codec"]["semantic"] else "without"
            raise RequestError(
                f"{checkpoint}: its codec is {presence} a semantic layer; {card.name} is the other variant of SISE"
            )
        saved_model = parse(DiffusionConfig, self.config["model"], f"{checkpoint}: model")
        if model is not None and saved_model != model:
            differing = [
                key for key in DiffusionConfig.model_fields if getattr(saved_model, key) != getattr(model, key)
            ]
            differences = ", ".join(
                f"{key} = {getattr(saved_model, key)} (wanted {getattr(model, key)})" for key in differing
            )
            raise RequestError(f"{checkpoint}: a checkpoint of another variant than {card.name}: {differences}")
        if card.rate != self.config["rate"]:
            raise RequestError(
                f"{checkpoint}: its codec works at {self.config['rate']} Hz, {card.name} at {card.rate} Hz"
            )
        self.model_config = saved_model
        sampling_settings = {**self.config["sampling"], **(sampling or {})}
        self.sampling = parse(SamplingConfig, sampling_settings, f"{card.name}: sampling")
        self.device = device()
        identity = f"{file_sha256(checkpoint)} {self.device}"
        if sampling:
            identity += f" {self.sampling.model_dump_json()}"
        if codec := self.config["codec"].get("bundled"):
            identity += f" {file_sha256(bundled(codec))}"
        self.card = card.model_copy(update={"identity": identity} | training_facts(facts["card"], checkpoint))

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """(model, codec), loaded at first use. Raises RequestError."""
        from restorebench.systems.sise.load import load_model

        model, codec = load_model(self.checkpoint)
        return model.to(self.device), codec.to(self.device)

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        _, codec = self.loaded
        seconds = self.model_config.seconds
        length = samples_for(seconds, int(self.config["rate"]))
        joined = round(JOINED_S / seconds) if codec.seamless else 1
        return restore_windows(
            batch, length, GROUP[self.device], lambda windows: self._sample(windows, seeds), codec.decode, joined
        )

    def _sample(self, windows: Sequence[Window], seeds: Sequence[int]) -> Any:
        """Codes [window, layer, frame]."""
        import torch

        from restorebench.systems.sise.sampling import sample

        model, _ = self.loaded
        rngs = [generator("sise", seeds[window.clip], window.start) for window in windows]
        with torch.inference_mode():
            degraded = torch.from_numpy(np.stack([window.samples for window in windows])).to(self.device)
            return sample(model, degraded, rngs, self.sampling)
