"""MaskSR's and MaskSR2's rows of Tables I and V, and the nano sizes. Each is a config plus a checkpoint of its variant.

No authors' weights exist: a row runs from a file that `restorebench train` wrote, named as `masksr2-s@FILE`. The nano
rows, except masksr2-nano-44k, come with weights of this project; they are not the papers' models.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restorebench.benchmark.contracts import SystemCard
from restorebench.systems.checkpoint_row import NANO, CheckpointRow

PAPER = "MaskSR2"
SIZES = (
    "49.6 M (S) and 237.4 M (L) parameters with Appendix A's small tables; Table I's 55 M and 249 M need embeddings = "
    '"full" and dense = true under [model] (D9)'
)


def packages_of(shipped: str, dac: bool) -> tuple[str, ...]:
    """The packages that a row needs; a shipped checkpoint needs neither torchaudio nor a published tokenizer."""
    if shipped:
        return ("torch", "safetensors")
    return ("torch", "torchaudio", "safetensors", *(["descript-audio-codec"] if dac else []))


class Variant(CheckpointRow[SystemCard]):
    def __init__(
        self,
        name: str,
        summary: str,
        config: str,
        cost: float,
        rate: int | None,
        table: str = "",
        dac: bool = False,
        shipped: str = "",
        sampling: Mapping[str, Any] | None = None,
    ) -> None:
        """sampling: the settings that replace those of the config."""
        self.sampling = dict(sampling or {})
        card = SystemCard(
            name=name,
            version=1,
            summary=summary,
            source=f"{PAPER} {table}".strip(),
            packages=packages_of(shipped, dac),
            extra="dac" if dac else "models",
            rate=rate,
            stochastic=True,
            checkpoint=not shipped,
            cost=cost,
            deviations=SIZES if dac else NANO if shipped else "",
        )
        super().__init__(card, config, shipped)

    def from_checkpoint(self, checkpoint: Path, options: Mapping[str, Any]) -> Any:
        from restorebench.systems.masksr.config import ModelConfig
        from restorebench.systems.masksr.system import MaskSrSystem

        if not self.config:
            return MaskSrSystem(self.card, checkpoint, sampling=options)
        from restorebench.systems.training.config import load_config

        run = load_config(self.config)
        model, sampling = ModelConfig.model_validate(run.model), {**run.sampling, **self.sampling, **options}
        return MaskSrSystem(self.card, checkpoint, model, sampling, self.tokenizer(run.tokenizer))

    def tokenizer(self, table: dict[str, str]) -> dict[str, Any]:
        """Identifies the tokenizer of the row's config: a published one, or the codec that a nano config trains."""
        from restorebench.systems.masksr.system import tokenizer_facts
        from restorebench.systems.tokenizers.config import FrameCodecConfig
        from restorebench.systems.training.config import load_config

        if "name" in table:
            return tokenizer_facts(table)
        codec = load_config(f"nano/{Path(table['checkpoint']).parent.name}")
        return tokenizer_facts({"frame-codec": FrameCodecConfig.model_validate(codec.model).model_dump(mode="json")})


def _paper(name: str, summary: str, table: str = "Table I", cost: float = 3.2) -> Variant:
    return Variant(name, summary, f"paper/{name}", cost, 44_100, table, dac=True)


masksr = Variant(
    "masksr", "Any MaskSR or MaskSR2 checkpoint, with the sampling settings that it contains", "", 3.2, None
)

masksr_s = _paper("masksr-s", "MaskSR-S: no distillation, guidance 1")
masksr_s_w0 = _paper("masksr-s-w0", "MaskSR-S without guidance (w = 0)", cost=1.7)
masksr2_s = _paper("masksr2-s", "MaskSR2-S: averaged HuBERT features as the teacher, the paper's default")
masksr2_s_stft_44_1k = _paper("masksr2-s-stft-44.1k", "MaskSR2-S taught by the full-band spectrum")
masksr2_s_stft_16k = _paper("masksr2-s-stft-16k", "MaskSR2-S taught by the spectrum up to 8 kHz")
masksr2_s_l9_k500 = _paper("masksr2-s-l9-k500", "MaskSR2-S taught by 500 k-means units of HuBERT layer 9")
masksr2_s_l9_feature = _paper("masksr2-s-l9-feature", "MaskSR2-S taught by features of HuBERT layer 9")
masksr_l = _paper("masksr-l", "MaskSR-L: width 1024, 12 generator blocks, no distillation", cost=16.0)
masksr2_l = _paper("masksr2-l", "MaskSR2-L: width 1024, 12 generator blocks, averaged HuBERT features", cost=16.0)

masksr2_s_l9_k500_span5 = _paper("masksr2-s-l9-k500-span5", "MaskSR2-S, L9-K500, spans of 5 frames", "Table V")
masksr2_s_span4 = _paper("masksr2-s-span4", "MaskSR2-S, averaged features, spans of 4 frames", "Table V")
masksr2_s_span6 = _paper("masksr2-s-span6", "MaskSR2-S, averaged features, spans of 6 frames", "Table V")
masksr2_s_span8 = _paper("masksr2-s-span8", "MaskSR2-S, averaged features, spans of 8 frames", "Table V")


def _nano(name: str, summary: str, config: str = "masksr2", cost: float = 0.2, **sampling: Any) -> Variant:
    shipped = f"{config}-nano"
    return Variant(name, summary, f"nano/{config}", cost, 16_000, shipped=shipped, sampling=sampling)


masksr_nano = _nano("masksr-nano", "MaskSR at laptop size, 16 kHz, our own codec and weights", "masksr")
masksr2_nano = _nano("masksr2-nano", "MaskSR2 at laptop size, taught by Whisper units; our own weights")
masksr2_nano_w0 = _nano("masksr2-nano-w0", "MaskSR2-nano without guidance (w = 0)", cost=0.1, guidance=0.0)
masksr2_nano_5 = _nano("masksr2-nano-5", "MaskSR2-nano with 5 iterations", cost=0.05, iterations=5)
masksr2_nano_10 = _nano("masksr2-nano-10", "MaskSR2-nano with 10 iterations", cost=0.1, iterations=10)
masksr2_nano_mean = _nano(
    "masksr2-nano-mean", "MaskSR2-nano in one pass: expected code vectors (ours, not the paper's sampler)", cost=0.05,
    method="mean",
)  # fmt: skip
masksr2_nano_44k = Variant("masksr2-nano-44k", "MaskSR2 at laptop size, 44.1 kHz", "nano/masksr2-44k", 0.4, 44_100)
