"""Loads a checkpoint file as a model and its tokenizer, both frozen and in evaluation mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from restorebench.benchmark.errors import RequestError
from restorebench.systems.masksr.config import ModelConfig
from restorebench.systems.masksr.model import MaskSr
from restorebench.systems.tokenizers.choose import (
    TokenizerConfig,
    frame_codec,
    frozen,
    identity,
    shipped_codec,
    tokenizer_of,
)
from restorebench.systems.training import checkpoint
from restorebench.systems.training.config import parse


def load_model(path: Path) -> tuple[MaskSr, Any]:
    """The model and its tokenizer. Raises RequestError for a wrong or broken file, or if the tokenizer changed."""
    saved = checkpoint.read(path, "masksr")
    tokenizer = _tokenizer(saved, path)
    if tokenizer.rate != saved.config["rate"]:
        raise RequestError(f"{path}: trained at {saved.config['rate']} Hz, its tokenizer works at {tokenizer.rate} Hz")
    model = MaskSr(parse(ModelConfig, saved.config["model"], f"{path}: model"), tokenizer.hop, tokenizer.quantiser())
    checkpoint.fill(model, saved.part("model."), path)
    return frozen(model), tokenizer


def _tokenizer(saved: checkpoint.Checkpoint, path: Path) -> Any:
    tokenizer_config = saved.config["tokenizer"]
    if "bundled" in tokenizer_config:
        return shipped_codec(tokenizer_config["bundled"], tokenizer_config["codes"], path)
    if "frame-codec" in tokenizer_config:
        return frame_codec(tokenizer_config["frame-codec"], saved.part("tokenizer."), path)
    config = TokenizerConfig(name=tokenizer_config["name"])
    tokenizer = tokenizer_of(config)
    if (identity_here := identity(config)) != tokenizer_config["identity"]:
        raise RequestError(
            f"{path}: trained with the tokenizer {tokenizer_config['identity']}; this installation has {identity_here}"
        )
    return tokenizer
