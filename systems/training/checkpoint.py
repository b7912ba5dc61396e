"""The checkpoint format of all models: a safetensors file whose header holds the config and the card as JSON.

The card records the training data, licence, commit and latest validation metrics of the weights. `read` and `fill`
check a file before its weights are used, and raise a RequestError of one line.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from restorebench.benchmark.contracts import TrainingCorpus
from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.errors import RequestError, reason

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = "restorebench-checkpoint-1"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers of batch normalisation."""


@dataclass(frozen=True)
class Checkpoint:
    kind: str
    """Kind of model: `masksr`, `frame-codec`, ..."""
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]
    card: Mapping[str, Any] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with a prefix, which is removed."""
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def save(path: Path, checkpoint: Checkpoint) -> None:
    from safetensors.torch import save_file

    facts = {"format": FORMAT, "kind": checkpoint.kind}
    facts |= {"config": json.dumps(checkpoint.config, sort_keys=True), "card": json.dumps(checkpoint.card)}
    with open_atomic(path) as part:
        mode = part.stat().st_mode  # the permissions that the umask gives
        save_file({key: value.contiguous() for key, value in checkpoint.tensors.items()}, part, metadata=facts)
        part.chmod(mode)  # safetensors lets only the owner read the file


def header(path: Path, kind: str = "", tables: Sequence[str] = ()) -> dict[str, Any]:
    """kind, config and card, without reading the weights.

    Raises RequestError for a broken file, for a kind other than `kind`, or for a config that lacks one of `tables`.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise RequestError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="numpy") as file:
            facts = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise RequestError(f"{path}: not a whole safetensors file ({error}); copy or train it again") from error
    if facts.get("format") != FORMAT:
        raise RequestError(
            f"{path}: format {facts.get('format', 'unknown')!r}, wanted {FORMAT!r}, as `train` writes it"
        )
    try:
        content = {"kind": facts["kind"], "config": json.loads(facts["config"]), "card": json.loads(facts["card"])}
    except (KeyError, json.JSONDecodeError) as error:
        raise RequestError(f"{path}: its header is incomplete ({reason(error)}); copy or train it again") from error
    if kind and content["kind"] != kind:
        raise RequestError(f"{path}: a checkpoint of kind {content['kind']!r}, wanted {kind!r}")
    if lacking := [table for table in tables if table not in content["config"]]:
        raise RequestError(f"{path}: its config lacks {', '.join(lacking)}; another version wrote it: train it again")
    return content


def training_facts(card: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """Fields of a system's card from a checkpoint: speech and steps of its training, number of parameters.

    Corpora without `recordings` (older cards) are left out. Raises RequestError for a card in another format.
    """
    try:
        speech = tuple(TrainingCorpus.model_validate(c) for c in card.get("speech", ()) if "recordings" in c)
        steps = int(card["steps"]) if "steps" in card else None
        return {"training": speech, "steps": steps, "parameters": parameters(source)}
    except (ValidationError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(
            f"{source}: its card is not as `train` writes it ({reason(error)}); copy or train it again"
        ) from error


def parameters(path: Path) -> int:
    """Number of parameters in a checkpoint, without statistics of batch normalisation and a codec in another file."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = [name for name in file.keys() if not name.endswith(STATISTICS)]  # noqa: SIM118  # no mapping
        return sum(math.prod(file.get_slice(name).get_shape()) for name in names)


def read(path: Path, kind: str) -> Checkpoint:
    """A checkpoint of one kind; half-precision weights are converted to float32. Raises RequestError."""
    from safetensors.torch import load_file

    facts = header(path, kind)
    tensors = {key: t.float() if t.is_floating_point() else t for key, t in load_file(path).items()}
    return Checkpoint(kind, tensors, facts["config"], facts["card"])


def fill(module: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Loads exactly these weights into a module.

    Raises RequestError that names a missing, unknown or misshapen tensor, or a tensor with NaN or infinity.
    """
    wanted = module.state_dict()
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    misshapen = sorted(key for key in wanted.keys() & state.keys() if wanted[key].shape != state[key].shape)
    if missing or extra or misshapen:
        raise RequestError(
            f"{source}: its weights do not fit its config: {len(missing)} missing, {len(extra)} unknown, "
            f"{len(misshapen)} of another shape (e.g. {[*missing, *extra, *misshapen][0]}); "
            "another version wrote the file, or it was changed: train it again"
        )
    broken = sorted(key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all())
    if broken:
        raise RequestError(f"{source}: {len(broken)} tensors hold NaN or infinity (e.g. {broken[0]}); train again")
    module.load_state_dict(dict(state))


def half(value: Tensor) -> Tensor:
    return value.half() if value.is_floating_point() else value


def codes_digest(tensors: Mapping[str, Tensor]) -> str:
    """Hash of the weights that determine a codec's codes, at half precision: all but the decoder and the usage counts.

    Further training of the decoder does not change this hash.
    """
    digest = hashlib.sha256()
    for key in sorted(tensors):
        if not key.startswith("decoder.") and not key.endswith(".usage"):
            digest.update(key.encode())
            digest.update(half(tensors[key]).contiguous().numpy().tobytes())
    return digest.hexdigest()
