"""Loads text-to-speech models from checkpoint files, frozen and in evaluation mode."""

from __future__ import annotations

from pathlib import Path

from restorebench.systems.sise.codec import FactorisedCodec
from restorebench.systems.sise.load import codec_of, filled
from restorebench.systems.training import checkpoint
from restorebench.systems.training.config import parse
from restorebench.systems.tts.config import TtsConfig, TtsSampling
from restorebench.systems.tts.model import SpeechModel


def load_model(path: Path) -> tuple[SpeechModel, FactorisedCodec, TtsSampling]:
    """Both stages, the codec, which is in the same file or a shipped one, and the sampling. Raises RequestError."""
    kept = checkpoint.read(path, "tts")
    codec = codec_of(kept, path)
    model = filled(SpeechModel(parse(TtsConfig, kept.config["model"], f"{path}: model"), codec.config), kept, path)
    return model, codec, parse(TtsSampling, kept.config["sampling"], f"{path}: sampling")
