"""Scores of restored dev clips during training, by metrics that the board uses.

Cross-entropy and mel distance do not rank models by quality (systems/README.md), so the best checkpoint is chosen by
the scores of its restored clips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restorebench.benchmark import registry
from restorebench.benchmark.contracts import Subject
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.types import Audio

METRICS = ("dnsmos", "lsd")


def composite(values: dict[str, float]) -> float:
    """DNSMOS OVL + P.808 - LSD: two estimates of quality, and a distance to the reference to check them."""
    return values["dnsmos.ovl"] + values["dnsmos.p808"] - values["lsd"]


@torch.no_grad()
def quality(
    clips: Sequence[tuple[Audio, Audio]], restore: Callable[[Tensor], Tensor], device: torch.device
) -> dict[str, float]:
    """Mean of each metric over the restored (clean, degraded) clips. Raises RequestError when a clip has no value."""
    by_name: dict[str, list[float]] = {}
    metrics = [registry.create("metrics", name) for name in METRICS]
    for clean, degraded in clips:
        restored = restore(torch.from_numpy(degraded.samples)[None].to(device))[0].float().cpu().numpy()
        estimate = SharedClip(Audio(np.ascontiguousarray(restored, dtype=np.float32), clean.rate))
        subject = Subject(reference=SharedClip(clean), text=None, language="en")
        for metric in metrics:
            for name, outcome in metric.score(metric.prepare(subject), [estimate])[0].items():
                if outcome.value is None:
                    raise RequestError(f"a dev clip has no {name}: {outcome.why}")
                by_name.setdefault(name, []).append(outcome.value)
    means = {name: float(np.mean(values)) for name, values in by_name.items()}
    return means | {"composite": composite(means)}


def best_before(folder: Path) -> float:
    """The composite of `best.safetensors` in a run's folder; -inf if there is no such file."""
    from restorebench.systems.training.checkpoint import header

    path = folder / "best.safetensors"
    return float(header(path)["card"]["metrics"]["composite"]) if path.is_file() else -math.inf
