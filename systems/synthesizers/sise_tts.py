"""Our version of SISE's zero-shot TTS: MaskGCT's structure on SISE's codec, from a checkpoint (`sise-tts@FILE`).

The authors published no weights. The options in a name, as in `sise-tts@FILE?guidance=1`, are the fields of
`systems.tts.config.TtsSampling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorebench.benchmark.contracts import SpeechRequest, SpeechTrace, SynthesizerCard
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.checkpoint_row import CheckpointRow
from restorebench.systems.checkpoints import bundled

if TYPE_CHECKING:
    from restorebench.systems.tts.voice import Voice

DEVIATIONS = (
    "the paper says only that its TTS is similar to MaskGCT; ours has SISE's transformer blocks, without an embedding "
    "of the diffusion time (D43), and MaskGCT's sampling (D44)"
)
LENGTHS = {
    "sequence": "the length of a sentence follows from the number of its phones (D45)",
    "durations": "phones are placed at the middles of their frames, which our own duration model predicts (D45)",
}


class SpeechRow(CheckpointRow[SynthesizerCard]):
    def from_checkpoint(self, checkpoint: Path, options: Mapping[str, Any]) -> SiseTts:
        return SiseTts(self.card, checkpoint, options)


class SiseTts:
    def __init__(self, card: SynthesizerCard, checkpoint: Path, options: Mapping[str, Any]) -> None:
        """options: sampling settings that replace the checkpoint's. Loads no weights. Raises RequestError."""
        from restorebench.systems.training.checkpoint import header, training_facts
        from restorebench.systems.training.config import parse
        from restorebench.systems.tts.config import TtsConfig, TtsSampling
        from restorebench.systems.windows import device

        facts = header(checkpoint, "tts", ("model", "codec", "sampling", "rate"))
        config = facts["config"]
        if config["rate"] != card.rate:
            raise RequestError(f"{checkpoint}: its codec works at {config['rate']} Hz, {card.name} at {card.rate} Hz")
        model: TtsConfig = parse(TtsConfig, config["model"], f"{checkpoint}: model")
        self.sampling: TtsSampling = parse(TtsSampling, {**config["sampling"], **options}, f"{card.name}: sampling")
        self.checkpoint, self.device = checkpoint, device()
        identity = [file_sha256(checkpoint), self.device, self.sampling.model_dump_json()]
        if codec := config["codec"].get("bundled"):
            identity.append(file_sha256(bundled(codec)))
        languages = ("en",) if model.phones == "arpabet" else ("en", "zh")
        trained = training_facts(facts["card"], checkpoint)
        size = f"{trained['parameters'] / 1e6:.1f} million parameters with the codec"
        deviations = f"{DEVIATIONS}; {LENGTHS[model.positions]}; {size}"
        facts_of_checkpoint = {"identity": " ".join(identity), "languages": languages, "deviations": deviations}
        self.card = card.model_copy(update=facts_of_checkpoint | trained)

    @cached_property
    def voice(self) -> Voice:
        from restorebench.systems.tts.voice import Voice

        return Voice(self.checkpoint, self.device, self.sampling)

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[Audio]:
        return [self.voice.say(request) for request in requests]

    def trace(self, request: SpeechRequest) -> SpeechTrace:
        return self.voice.trace(request)


sise_tts = SpeechRow(
    SynthesizerCard(
        name="sise-tts",
        version=1,
        summary="Text-to-speech on SISE's codec: phones to semantic to acoustic tokens; clones the prompt's voice",
        source="SISE §3; MaskGCT (Wang et al. 2024)",
        packages=("torch", "safetensors", "pocketsphinx", "pypinyin"),
        extra="models",
        rate=16_000,
        languages=("en", "zh"),
        checkpoint=True,
        clones=True,
        deviations=DEVIATIONS,
        cost=1.0,
    ),
    "paper/sise-tts",
)
