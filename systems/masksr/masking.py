"""Which codes are masked: the cosine schedule, token masks, and span masks (MaskSR2 §II-B, Appendix B)."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]


def masked_counts(total: int, iterations: int) -> list[int]:
    """Number of codes still masked after each iteration.

    It is floor(total cos(pi i / (2 iterations))) after iteration i, and 0 after the last one.
    """
    counts = [math.floor(total * math.cos(math.pi * i / (2 * iterations))) for i in range(1, iterations)]
    return [*counts, 0]


def training_mask(rng: np.random.Generator, codebooks: int, frames: int, span: int = 1) -> BoolArray:
    """A mask [codebook, frame] for one training clip.

    The mask covers the share cos(pi r / 2) of the codes, with r ~ U(0, 1); span masks cover about this share.
    """
    total = codebooks * frames
    count = max(1, round(total * math.cos(math.pi * rng.random() / 2)))
    masked = np.zeros(total, dtype=bool)
    masked[rng.permutation(total)[:count]] = True
    token_mask = masked.reshape(codebooks, frames)
    return token_mask if span == 1 else np.stack([_span_row(rng, int(row.sum()), frames, span) for row in token_mask])


def _span_row(rng: np.random.Generator, count: int, frames: int, span: int) -> BoolArray:
    """One codebook's mask, which covers about `count` frames with spans; spans that reach past the end are cut."""
    row = np.zeros(frames, dtype=bool)
    if count == frames:
        row[:] = True
    elif count > 0:
        for start in rng.permutation(frames)[: span_start_count(round(100 * count / frames), frames, span)]:
            row[start : start + span] = True
    return row


@cache
def span_start_count(percent: int, frames: int, span: int) -> int:
    """The smallest number of random span starts that masks `percent` of the frames on average; at least one.

    u starts of spans of L frames mask the share 1 - C(T - L, u) / C(T, u) of T frames (MAGNeT §3.1).
    """
    visible, count = 1.0, 0
    while 1 - visible < percent / 100 and count < frames - span:
        visible *= (frames - span - count) / (frames - count)
        count += 1
    return max(1, count)


def span_index(frames: int, span: int) -> NDArray[np.int64]:
    """The number of each frame's span at inference. Spans do not overlap; the last one may be shorter than `span`."""
    return np.arange(frames) // span
