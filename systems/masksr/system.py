"""MaskSR as a restorer that runs from a checkpoint, as in `masksr2-s@FILE`; windows of a batch are sampled in groups.

Windows do not overlap (MaskSR2 §III-B). DAC decodes each window separately; a frame codec decodes consecutive
windows together, about `JOINED_S` seconds at once. Beside the clips and their codes (or latents), only one such part or
one group of windows is in memory.
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
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.checkpoints import bundled
from restorebench.systems.masksr.config import ModelConfig, SamplingConfig
from restorebench.systems.windows import GROUP, JOINED_S, Window, device, restore_windows


class MaskSrSystem:
    def __init__(
        self, card: SystemCard, checkpoint: Path, model: ModelConfig | None = None,
        sampling: Mapping[str, Any] | None = None, tokenizer: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """`model` and `tokenizer`: the settings that the checkpoint must have; None accepts any. `sampling` overrides
        the checkpoint's settings, or the defaults if `model` is given.

        Loads no weights. Raises RequestError for a checkpoint of another kind or variant.
        """
        from restorebench.benchmark.data.locations import file_sha256
        from restorebench.systems.training.checkpoint import header, training_facts
        from restorebench.systems.training.config import parse

        facts = header(checkpoint, "masksr", ("model", "tokenizer", "sampling", "rate"))
        self.checkpoint, self.config = checkpoint, facts["config"]
        saved_model = parse(ModelConfig, self.config["model"], f"{checkpoint}: model")
        if model is not None and saved_model != model:
            differing = [key for key in ModelConfig.model_fields if getattr(saved_model, key) != getattr(model, key)]
            differences = ", ".join(
                f"{key} = {getattr(saved_model, key)} (wanted {getattr(model, key)})" for key in differing
            )
            raise RequestError(f"{checkpoint}: a checkpoint of another variant than {card.name}: {differences}")
        if card.rate is not None and card.rate != self.config["rate"]:
            raise RequestError(
                f"{checkpoint}: its tokenizer works at {self.config['rate']} Hz, {card.name} at {card.rate} Hz"
            )
        if tokenizer is not None and (other := tokenizer_facts(self.config["tokenizer"])) != tokenizer:
            raise RequestError(f"{checkpoint}: its tokenizer is {other}; {card.name} needs {tokenizer}")
        self.model_config = saved_model
        base_sampling = {} if model is not None else self.config["sampling"]
        self.sampling = parse(SamplingConfig, {**base_sampling, **(sampling or {})}, f"{card.name}: sampling")
        self.device = device()
        identity = f"{file_sha256(checkpoint)} {self.sampling.model_dump_json()} {self.device}"
        if codec := self.config["tokenizer"].get("bundled"):
            identity += f" {file_sha256(bundled(codec))}"
        tokenizer_name = self.config["tokenizer"].get("name")
        weights = (tokenizer_name,) if tokenizer_name else ()
        update = {"identity": identity, "rate": int(self.config["rate"]), "weights": weights}
        self.card = card.model_copy(update=update | training_facts(facts["card"], checkpoint))

    @cached_property
    def loaded(self) -> tuple[Any, Any]:
        """(model, tokenizer) on the device, loaded together at first use."""
        from restorebench.systems.masksr.load import load_model

        model, tokenizer = load_model(self.checkpoint)
        return model.to(self.device), tokenizer.to(self.device)

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        _, tokenizer = self.loaded
        seconds = self.model_config.seconds
        length = samples_for(seconds, int(self.config["rate"]))
        joined = round(JOINED_S / seconds) if tokenizer.seamless else 1
        decode = tokenizer.decode_latents if self.sampling.method == "mean" else tokenizer.decode
        return restore_windows(
            batch, length, GROUP[self.device], lambda windows: self._sample(windows, seeds), decode, joined
        )

    def _sample(self, windows: Sequence[Window], seeds: Sequence[int]) -> Any:
        """Codes [window, codebook, frame], or expected latents [window, width, frame]."""
        import torch

        from restorebench.systems.masksr.sampling import expected, sample

        model, tokenizer = self.loaded
        rngs = [generator("masksr", seeds[window.clip], window.start) for window in windows]
        with torch.inference_mode():
            degraded = torch.from_numpy(np.stack([window.samples for window in windows])).to(self.device)
            features = model.encoder(degraded)
            if self.sampling.method == "mean":
                return expected(model.generator, features, tokenizer.quantiser(), self.sampling.guidance)
            return sample(model.generator, features, rngs, self.sampling, self.model_config.span)


def tokenizer_facts(table: dict[str, Any]) -> dict[str, Any]:
    """Identifies the tokenizer in a checkpoint's table: by its published name, or by the shape of a frame codec."""
    if "frame-codec" not in table:
        return {"name": table.get("name")}
    shape = table["frame-codec"]
    return {key: shape.get(key) for key in ("rate", "hop", "codebooks", "codebook_size")}
