"""Training examples of both stages: which tokens are the prompt, which are masked, which phones are given.

MaskGCT's recipe: the first frames of a crop are a prompt whose tokens are known; of the others, a share
sin(pi t / 2), t ~ U(1e-5, 1), is masked. Some crops have no prompt, so that guidance has an unconditional branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorebench.systems.sise.phonemes import IGNORED, SILENCE
from restorebench.systems.tts.model import NO_PHONE

SHORTEST_PROMPT = 5
"""Frames."""
LONGEST_PROMPT = {"semantic": 0.4, "acoustic": 0.5}
"""Share of a crop."""
LEAST_MASKED = {"semantic": 0.2, "acoustic": 0.0}
"""Lowest share of the frames after the prompt that is masked, on average."""
PAUSE_S = 0.1
"""Each 0.1 s of silence is one pause in the sequence of phones; shorter silences are left out. A phone takes about as
long, so that the number of symbols tells the length of the speech."""


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


def phones_of_frames(labels: NDArray[np.int64], frame_s: float) -> list[int]:
    """The sequence of phones in frame classes [frame]; [] for a crop without alignment.

    Consecutive frames of one class are one phone, except that a silence is as many pauses as it has PAUSE_S.
    """
    if (labels == IGNORED).any():
        return []
    sequence: list[int] = []
    for run in np.split(labels, np.flatnonzero(np.diff(labels)) + 1):
        silent = run[0] == SILENCE
        sequence += [int(run[0])] * (int(len(run) * frame_s / PAUSE_S) if silent else 1)
    return sequence


def padded(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Rows of phones as an array [batch, phone], filled with NO_PHONE; at least one column."""
    array = np.full((len(rows), max([1, *map(len, rows)])), NO_PHONE, dtype=np.int64)
    for row, phones in zip(array, rows, strict=True):
        row[: len(phones)] = phones
    return array
