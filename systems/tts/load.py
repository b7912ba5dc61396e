"""Loads text-to-speech models from checkpoint files, frozen and in evaluation mode."""

from __future__ import annotations

from pathlib import Path

from restorebench.systems.sise.codec import FactorisedCodec
from restorebench.systems.sise.config import CodecConfig
from restorebench.systems.sise.load import codec_from, codec_table, load_codec
from restorebench.systems.tokenizers.choose import checked_codec
from restorebench.systems.training import checkpoint
from restorebench.systems.training.config import parse
from restorebench.systems.tts.config import TtsConfig, TtsSampling
from restorebench.systems.tts.model import SpeechModel


def load_model(path: Path) -> tuple[SpeechModel, FactorisedCodec, TtsSampling]:
    """Both stages, the codec, which is in the same file or a shipped one, and the sampling. Raises RequestError."""
    kept = checkpoint.read(path, "tts")
    codec_config: CodecConfig = parse(CodecConfig, codec_table(kept.config), f"{path}: codec")
    if name := kept.config["codec"].get("bundled"):
        codec = load_codec(checked_codec(name, kept.config["codec"]["codes"], path))
    else:
        codec = codec_from(codec_config, kept.part("codec."), path)
    model = SpeechModel(parse(TtsConfig, kept.config["model"], f"{path}: model"), codec_config)
    checkpoint.fill(model, kept.part("model."), path)
    model.requires_grad_(False)
    model.eval()
    return model, codec, parse(TtsSampling, kept.config["sampling"], f"{path}: sampling")
