"""Training examples of both stages: which tokens are the prompt, which are masked, which phones are given.

MaskGCT's recipe: the first frames of a crop are a prompt whose tokens are known; of the others, a share
sin(pi t / 2), t ~ U(1e-5, 1), is masked. Some crops have no prompt, so that guidance has an unconditional branch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from restorebench.systems.sise.phonemes import IGNORED, SILENCE
from restorebench.systems.tts.model import NO_PHONE

SHORTEST_PROMPT = 5
"""Length of the shortest prompt in frames."""
LONGEST_PROMPT = {"semantic": 0.4, "acoustic": 0.5}
"""Stage -> length of the longest prompt as a share of the crop."""
LEAST_MASKED = {"semantic": 0.2, "acoustic": 0.0}
"""Stage -> lowest probability with which a frame after the prompt is masked."""
PAUSE_S = 0.1
"""Each 0.1 s of silence is one pause in the sequence of phones; shorter silences are left out. An average phone is
about as long, so that the number of symbols is roughly proportional to the length of the speech."""


@dataclass(frozen=True)
class Mask:
    prompt: int
    """Number of frames at the start that are known in every layer."""
    masked: NDArray[np.bool_]
    """[frame], false within the prompt, true at least once."""


def draw_mask(rng: np.random.Generator, stage: str, frames: int, unconditional: float) -> Mask:
    """The prompt and the masked frames of one crop; stage: semantic or acoustic."""
    prompt = 0
    if rng.random() >= unconditional and (longest := int(LONGEST_PROMPT[stage] * frames)) > SHORTEST_PROMPT:
        prompt = int(rng.integers(SHORTEST_PROMPT, longest))
    share = max(float(np.sin(0.5 * np.pi * rng.uniform(1e-5, 1.0))), LEAST_MASKED[stage])
    masked: NDArray[np.bool_] = rng.random(frames) < share
    masked[:prompt] = False
    if not masked.any():
        masked[int(rng.integers(prompt, frames))] = True
    return Mask(prompt, masked)


def draw_layer(rng: np.random.Generator, layers: int) -> int:
    """The acoustic layer to train: the first is drawn most often, with weights N, N - 1, ..., 1."""
    weights = np.arange(layers, 0, -1, dtype=np.float64)
    return int(rng.choice(layers, p=weights / weights.sum()))


class Timed(NamedTuple):
    """A phone from frame `start` up to, not including, frame `end`. Pauses of a silence may start between frames."""

    phone: int
    start: float
    end: float

    @property
    def middle(self) -> float:
        """As a position on the scale of frame numbers."""
        return (self.start + self.end - 1) / 2


def phones_of_frames(labels: NDArray[np.int64], frame_s: float) -> list[Timed]:
    """The sequence of phones in frame classes [frame]; [] for a crop without alignment.

    Consecutive frames of one class are one phone, except that a silence becomes one pause per PAUSE_S of its length.
    """
    if (labels == IGNORED).any():
        return []
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    sequence: list[Timed] = []
    for start, end in pairwise(edges):
        phone = int(labels[start])
        parts = math.floor((end - start) * frame_s / PAUSE_S + 1e-9) if phone == SILENCE else 1
        bounds = np.linspace(start, end, parts + 1).tolist() if parts else []
        sequence += [Timed(phone, *bound) for bound in pairwise(bounds)]
    return sequence


def padded(rows: Sequence[Sequence[float]], fill: float = NO_PHONE) -> NDArray[np.float64]:
    """Rows as an array [row, column] of at least one column; short rows are padded with `fill`."""
    array = np.full((len(rows), max([1, *map(len, rows)])), float(fill))
    for row, values in zip(array, rows, strict=True):
        row[: len(values)] = values
    return array
