"""MaskSR as a restorer: windows of many clips through one sampler, a checkpoint behind `masksr2-s@FILE`.

Windows do not overlap and are decoded on their own (MaskSR2 §III-B). Only one group of windows is in memory beside the
clips themselves, so a long file needs no more than a short one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from restorebench.benchmark.audio import fit, samples_for
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.seeds import generator
from restorebench.benchmark.types import Audio, FloatArray
from restorebench.systems.masksr.config import ModelConfig, SamplingConfig

GROUP = {"cpu": 1, "cuda": 16}
"""Windows decoded together. On a CPU one window fills the cores, and keeping its shapes makes every window's arithmetic
the same in any batch."""


class Window(NamedTuple):
    clip: int
    start: int
    """In samples."""
    samples: FloatArray


class MaskSrSystem:
    def __init__(
        self, card: SystemCard, checkpoint: Path, model: ModelConfig | None, sampling: SamplingConfig | None
    ) -> None:
        """`model`: the variant that the checkpoint must be of, None for any; `sampling`: instead of the checkpoint's.

        Reads the header alone. Raises RequestError.
        """
        from restorebench.benchmark.locations import file_sha256
        from restorebench.systems.training.checkpoint import header

        facts = header(checkpoint)
        if facts["kind"] != "masksr":
            raise RequestError(f"{checkpoint}: a checkpoint of kind {facts['kind']!r}; {card.name} needs 'masksr'")
        self.checkpoint, self.config = checkpoint, facts["config"]
        kept = ModelConfig.model_validate(self.config["model"])
        if model is not None and kept != model:
            differing = [key for key in ModelConfig.model_fields if getattr(kept, key) != getattr(model, key)]
            seen = ", ".join(f"{key} = {getattr(kept, key)} (wanted {getattr(model, key)})" for key in differing)
            raise RequestError(f"{checkpoint}: a checkpoint of another variant than {card.name}: {seen}")
        if card.rate is not None and card.rate != self.config["rate"]:
            raise RequestError(
                f"{checkpoint}: its tokenizer works at {self.config['rate']} Hz, {card.name} at {card.rate} Hz"
            )
        self.model_config = kept
        self.sampling = sampling or SamplingConfig.model_validate(self.config["sampling"])
        identity = f"{file_sha256(checkpoint)} {self.sampling.model_dump_json()}"
        named = self.config["tokenizer"].get("name")
        weights = (named,) if named else ()
        self.card = card.model_copy(update={"identity": identity, "rate": int(self.config["rate"]), "weights": weights})

    @cached_property
    def loaded(self) -> tuple[Any, Any, str]:
        """(model, tokenizer, device), whole or not at all."""
        import torch

        from restorebench.systems.masksr.load import load

        device = "cuda" if torch.cuda.is_available() else "cpu"
        model, tokenizer = load(self.checkpoint)
        return model.to(device), tokenizer.to(device), device

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        made = [np.zeros(len(audio.samples), dtype=np.float32) for audio in batch]
        windows = self.windows(batch)
        while group := list(islice(windows, GROUP[self.loaded[2]])):
            for window, restored in zip(group, self._decode(group, seeds), strict=True):
                place = made[window.clip][window.start : window.start + len(restored)]
                place[:] = restored[: len(place)]
        return [Audio(samples, audio.rate) for samples, audio in zip(made, batch, strict=True)]

    def windows(self, batch: Sequence[Audio]) -> Iterator[Window]:
        """Windows of all clips, one after the other; the last of a clip is padded with zeros on the right."""
        length = samples_for(self.model_config.seconds, int(self.config["rate"]))
        for clip, audio in enumerate(batch):
            for start in range(0, len(audio.samples), length):
                yield Window(clip, start, fit(audio.samples[start : start + length], length))

    def _decode(self, group: Sequence[Window], seeds: Sequence[int]) -> FloatArray:
        """Restored samples [window, time]."""
        import torch

        from restorebench.systems.masksr.sampling import sample

        model, tokenizer, device = self.loaded
        rngs = [generator("masksr", seeds[window.clip], window.start) for window in group]
        with torch.inference_mode():
            degraded = torch.from_numpy(np.stack([window.samples for window in group])).to(device)
            codes = sample(model.generator, model.encoder(degraded), rngs, self.sampling, self.model_config.span)
            restored: FloatArray = tokenizer.decode(codes).float().cpu().numpy()
        return restored
