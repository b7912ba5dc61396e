"""DistillMOS: the overall quality of speech, as a small network distilled from XLS-R predicts it (MOS, 1 to 5).

Source: Stahl & Gamper, "Distillation and Pruning for Scalable Self-Supervised Representation-Based Speech Quality
Assessment", ICASSP 2025; microsoft/Distill-MOS v0.9.1 (variant 7) for the order of operations. The 16 kHz sound is cut
into windows of 7.68 s, which are evenly spread with a hop of at most 1 s; each window is scaled to a peak of 1. Shorter
clips are padded with zeros at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.data import weights
from restorebench.benchmark.types import FloatArray, Outcome

RATE, WINDOW, MAX_HOP = 16_000, 122_880, 16_000
BATCH = 4
"""Windows per network call; limits memory on long clips."""


def windows(samples: FloatArray) -> FloatArray:
    """Windows [window, 122880] of a 16 kHz sound [time], scaled to a peak of 1."""
    last_start = max(len(samples) - WINDOW, 0)
    padded = np.pad(samples, (0, max(WINDOW - len(samples), 0)))
    starts = (np.linspace(0, 1, math.ceil(last_start / MAX_HOP) + 1) * last_start).astype(int)
    segments = np.stack([padded[start : start + WINDOW] for start in starts])
    scaled: FloatArray = (segments / (np.abs(segments).max(axis=1, keepdims=True) + 1e-8)).astype(np.float32)
    return scaled


@cache
def network() -> Any:
    """The network with the published weights, loaded once per process."""
    import torch

    from restorebench.metrics.distillmos_network import DistillMosNetwork

    model = DistillMosNetwork()
    state = torch.load(weights.fetch("distillmos-v7"), map_location="cpu", weights_only=True)["model"]
    model.load_state_dict(state)
    return model.eval()


def quality(samples: FloatArray) -> float:
    """MOS of a 16 kHz sound [time]: the mean over its windows."""
    import torch

    segments = torch.from_numpy(windows(samples))
    with torch.inference_mode():
        qualities = torch.cat([network()(segments[at : at + BATCH]) for at in range(0, len(segments), BATCH)])
    return float(qualities.double().mean())


class DistillMos:
    card = MetricCard(
        name="distillmos",
        version=1,
        summary="Overall quality (MOS 1 to 5) by a network distilled from XLS-R; needs no reference",
        source="Stahl & Gamper 2025; microsoft/Distill-MOS v0.9.1, variant 7",
        packages=("torch",),
        extra="compiled",
        weights=("distillmos-v7",),
        cost=0.1,
        needs=frozenset(),
        invariant_to_gain=True,
        definition="variant=7|window=7.68s|hop<=1s|peak=1|resample=soxr-hq-16k",
        values=(
            Value(
                name="distillmos",
                label="DistillMOS",
                unit="MOS",
                direction="higher",
                role="quality",
                margin=0.1,
            ),
        ),
    )

    def prepare(self, subject: Subject) -> None:
        return None

    def score(self, prepared: None, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{"distillmos": Outcome(quality(clip.at(RATE)))} for clip in estimates]
