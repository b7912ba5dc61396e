"""Turns the runs of `nano train` into the package's checkpoints: half precision, codecs in separate files.

The config of a model of codes contains its codec's name (`bundled`) and a digest of the codec without its decoder
(`codes`): the decoder may be trained further, the encoder and the quantiser may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restorebench.systems.training import checkpoint
from restorebench.systems.training.checkpoint import Checkpoint, codes_digest, half


@dataclass(frozen=True)
class Shipped:
    name: str
    """Name of the file, without suffix."""
    runs: tuple[str, ...]
    """Runs in order of preference; the first one with a checkpoint is used."""
    codec: str = ""
    """Name of the shipped codec whose codes the model uses; empty for a codec."""


SHIPPED = (
    Shipped("codec-nano", ("codec-16k-decoder", "codec-16k")),
    Shipped("sise-codec-nano", ("sise-codec-decoder", "sise-codec")),
    Shipped("masksr-nano", ("masksr",), "codec-nano"),
    Shipped("masksr2-nano", ("masksr2",), "codec-nano"),
    Shipped("sise-nano", ("sise",), "sise-codec-nano"),
    Shipped("sise-wo-dis-nano", ("sise-wo-dis",), "codec-nano"),
)
PREFIXES = {"masksr": "tokenizer.", "sise": "codec."}
"""Kind of a model -> prefix of its codec's tensors in the checkpoint."""


def publish(runs: Path, out: Path) -> list[Path]:
    """Writes a checkpoint for each entry of `SHIPPED` that has a run; returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for shipped in SHIPPED:
        folder = next((runs / run for run in shipped.runs if (runs / run / "model.safetensors").is_file()), None)
        if folder is None:
            continue
        best = folder / "best.safetensors"
        path = best if best.is_file() else folder / "model.safetensors"
        trained = checkpoint.read(path, checkpoint.header(path)["kind"])
        target = out / f"{shipped.name}.safetensors"
        checkpoint.save(target, _without_codec(trained, shipped.codec, out))
        written.append(target)
    return written


def _without_codec(trained: Checkpoint, codec: str, out: Path) -> Checkpoint:
    """The checkpoint in half precision. With a codec, the config names it and the codec's tensors are left out."""
    prefix = PREFIXES.get(trained.kind, "")
    tensors = {key: half(value) for key, value in trained.tensors.items() if not (prefix and key.startswith(prefix))}
    config = dict(trained.config)
    if codec:
        path = out / f"{codec}.safetensors"
        table = prefix.rstrip(".")
        codes = codes_digest(checkpoint.read(path, checkpoint.header(path)["kind"]).tensors)
        config[table] = {**config[table], "bundled": codec, "codes": codes}
    return Checkpoint(trained.kind, tensors, config, trained.card)
