"""Loads codecs and diffusion models from checkpoint files, frozen and in evaluation mode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from restorebench.benchmark.errors import RequestError
from restorebench.systems.sise.codec import FactorisedCodec
from restorebench.systems.sise.config import CodecConfig, DiffusionConfig
from restorebench.systems.sise.diffusion import Sise
from restorebench.systems.tokenizers.choose import checked_codec
from restorebench.systems.tokenizers.config import FrameCodecConfig, FrameShape
from restorebench.systems.training import checkpoint
from restorebench.systems.training.config import parse, training_command

Model = TypeVar("Model", bound=nn.Module)


def load_codec(path: Path) -> FactorisedCodec:
    """A trained codec. Raises RequestError, with the command that trains one when there is no such file."""
    if not path.is_file():
        raise RequestError(f"{path}: no such codec; train one first: {training_command(path)}")
    if checkpoint.header(path)["kind"] == "frame-codec":
        return from_frame_codec(path)
    saved = checkpoint.read(path, "sise-codec")
    if not saved.config.get("quantised", True):
        raise RequestError(f"{path}: stopped before its quantisers started; train it longer (--resume)")
    return codec_from(parse(CodecConfig, saved.config.get("model", {}), f"{path}: model"), dict(saved.tensors), path)


def from_frame_codec(path: Path) -> FactorisedCodec:
    """A frame codec as the codec of SISE-w/o-dis: one residual quantiser, no semantic layer. Raises RequestError."""
    saved = checkpoint.read(path, "frame-codec")
    shape = parse(FrameCodecConfig, saved.config["model"], f"{path}: model")
    config = CodecConfig(
        rate=shape.rate,
        semantic=False,
        acoustic=shape.codebooks - 1,
        codebook_size=shape.codebook_size,
        codebook_dim=shape.codebook_dim,
        frames=FrameShape(**{key: getattr(shape, key) for key in FrameShape.model_fields}),
    )
    tensors = {key.replace("quantizer.", "acoustic.", 1): value for key, value in saved.tensors.items()}
    return codec_from(config, tensors, path)


def codec_from(config: CodecConfig, tensors: dict[str, torch.Tensor], source: Path) -> FactorisedCodec:
    codec = FactorisedCodec(config)
    checkpoint.fill(codec, tensors, source)
    return frozen_codec(codec)


def random_codec(config: CodecConfig, seed: int) -> FactorisedCodec:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return frozen_codec(FactorisedCodec(config))


def frozen_codec(codec: FactorisedCodec) -> FactorisedCodec:
    codec.requires_grad_(False)
    codec.eval()
    return codec


def codec_table(config: Mapping[str, Any]) -> dict[str, Any]:
    """The codec's `CodecConfig` fields in a checkpoint's config, without a shipped codec's name and digest."""
    return {key: value for key, value in config["codec"].items() if key not in ("bundled", "codes")}


def load_model(path: Path) -> tuple[Sise, FactorisedCodec]:
    """A diffusion model and its codec, which is in the same file, or ships with this project. Raises RequestError."""
    saved = checkpoint.read(path, "sise")
    codec = codec_of(saved, path)
    config: DiffusionConfig = parse(DiffusionConfig, saved.config["model"], f"{path}: model")
    return filled(Sise(config, codec.config), saved, path), codec


def codec_of(saved: checkpoint.Checkpoint, path: Path) -> FactorisedCodec:
    """The codec of a model of codes; it is in the model's file, or ships with this project. Raises RequestError."""
    if name := saved.config["codec"].get("bundled"):
        return load_codec(checked_codec(name, saved.config["codec"]["codes"], path))
    return codec_from(parse(CodecConfig, codec_table(saved.config), f"{path}: codec"), saved.part("codec."), path)


def filled(model: Model, saved: checkpoint.Checkpoint, path: Path) -> Model:
    """The model with a checkpoint's weights, frozen and in evaluation mode. Raises RequestError."""
    checkpoint.fill(model, saved.part("model."), path)
    model.requires_grad_(False)
    model.eval()
    return model
