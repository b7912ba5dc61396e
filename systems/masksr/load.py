"""From a checkpoint file to a model and its tokenizer, both whole and in evaluation mode."""

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
    """Raises RequestError for a file that is broken, of another kind, or whose tokenizer is not the one of training."""
    kept = checkpoint.read(path, "masksr")
    tokenizer = _tokenizer(kept, path)
    if tokenizer.rate != kept.config["rate"]:
        raise RequestError(f"{path}: trained at {kept.config['rate']} Hz, its tokenizer works at {tokenizer.rate} Hz")
    model = MaskSr(parse(ModelConfig, kept.config["model"], f"{path}: model"), tokenizer.hop, tokenizer.quantiser())
    checkpoint.fill(model, kept.part("model."), path)
    return frozen(model), tokenizer


def _tokenizer(kept: checkpoint.Checkpoint, path: Path) -> Any:
    facts = kept.config["tokenizer"]
    if "bundled" in facts:
        return shipped_codec(facts["bundled"], facts["codes"], path)
    if "frame-codec" in facts:
        return frame_codec(facts["frame-codec"], kept.part("tokenizer."), path)
    config = TokenizerConfig(name=facts["name"])
    tokenizer = tokenizer_of(config)
    if (seen := identity(config)) != facts["identity"]:
        raise RequestError(f"{path}: trained with the tokenizer {facts['identity']}, here is {seen}")
    return tokenizer
