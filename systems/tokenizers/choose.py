"""The tokenizer that a config or a checkpoint names: a published DAC, a trained frame codec, or a random one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, model_validator
from torch import nn

from restorebench.benchmark.data import weights
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError
from restorebench.systems.checkpoints import bundled
from restorebench.systems.tokenizers.config import FrameCodecConfig
from restorebench.systems.tokenizers.frame_codec import FrameCodec
from restorebench.systems.training import checkpoint
from restorebench.systems.training.config import parse, training_command


class TokenizerConfig(BaseModel):
    """The tokenizer: exactly one of `name`, `checkpoint` and `random`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = ""
    """A published DAC: dac-44khz or dac-16khz."""
    checkpoint: str = ""
    """File of a frame codec that `restorebench train` wrote, relative to the working folder."""
    random: FrameCodecConfig | None = None
    """A frame codec with random weights, for tests that need no trained codec."""

    @model_validator(mode="after")
    def _require_exactly_one(self) -> TokenizerConfig:
        if (bool(self.name) + bool(self.checkpoint) + (self.random is not None)) != 1:
            raise ValueError("wanted one of name, checkpoint, random")
        return self


def tokenizer_of(config: TokenizerConfig, seed: int = 0) -> Any:
    """The tokenizer, frozen and in evaluation mode. Raises RequestError."""
    if config.name:
        from restorebench.systems.tokenizers.dac import CONFIGS, published

        if config.name not in CONFIGS:
            raise RequestError(f"no tokenizer named {config.name!r}; known: {', '.join(CONFIGS)}")
        return published(config.name)
    if config.checkpoint:
        return load_frame_codec(Path(config.checkpoint))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return frozen(FrameCodec(config.random or FrameCodecConfig()))


def load_frame_codec(path: Path) -> FrameCodec:
    """A trained frame codec. Raises RequestError; for an absent file the message names the command that trains it."""
    if not path.is_file():
        raise RequestError(f"{path}: no such tokenizer; train one first: {training_command(path)}")
    loaded = checkpoint.read(path, "frame-codec")
    return frame_codec(loaded.config.get("model", {}), dict(loaded.tensors), path)


def shipped_codec(name: str, codes_digest: str, source: Path) -> FrameCodec:
    """The shipped codec `name`, on whose codes a model was trained.

    Raises RequestError unless its `checkpoint.codes_digest` is `codes_digest`; the message names `source`, the file of
    the model.
    """
    return load_frame_codec(checked_codec(name, codes_digest, source))


def checked_codec(name: str, codes_digest: str, source: Path) -> Path:
    """The file of the shipped codec `name`.

    Raises RequestError unless its `checkpoint.codes_digest` is `codes_digest`.
    """
    path = bundled(name)
    seen = checkpoint.codes_digest(checkpoint.read(path, checkpoint.header(path)["kind"]).tensors)
    if seen != codes_digest:
        raise RequestError(
            f"{source}: trained on codes of {name} with codes digest {codes_digest[:12]}, "
            f"but the codec in {path} has {seen[:12]}; "
            "use the codec that the model was trained with, or train the model again"
        )
    return path


def frame_codec(config: dict[str, Any], tensors: dict[str, torch.Tensor], source: Path) -> FrameCodec:
    codec = FrameCodec(parse(FrameCodecConfig, config, f"{source}: tokenizer"))
    checkpoint.fill(codec, tensors, source)
    frozen(codec)
    return codec


def frozen(module: Any) -> Any:
    assert isinstance(module, nn.Module)
    return module.requires_grad_(False).eval()


def identity(config: TokenizerConfig) -> str:
    """Identifies the tokenizer: its name and weights, the hash of its file, or the config."""
    if config.name:
        return f"{config.name} {weights.identity(config.name)}"
    if config.checkpoint:
        return file_sha256(Path(config.checkpoint))
    return config.model_dump_json()
