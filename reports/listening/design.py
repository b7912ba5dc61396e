"""The design of a listening test: balanced incomplete blocks, with orders counterbalanced over the listeners.

A block presents every system once. Over the blocks of all listeners, each clip is paired with each system equally often
(the counts differ by at most one), and the order within blocks follows a Williams square, in which every system comes
directly before every other one equally often (Williams 1949).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal

import numpy as np

from restorebench.benchmark.core.seeds import generator

Kind = Literal["mos", "dmos", "mushra", "ab"]
REFERENCE = "reference"
"""Name of the clean clip where it is presented as the reference (DMOS, MUSHRA)."""
BEEPS, CLEAN, NOISY = "beeps", "clean", "noisy"
"""Checks of a listener's attention: a number of beeps to enter, a clean clip, and a clip in loud noise."""


@dataclass(frozen=True)
class Trial:
    """One question to a listener: the sounds of a clip that are presented together."""

    clip: str
    systems: tuple[str, ...]
    """The systems in the order of presentation (A, B, ...); for a check, the names of the sounds that are presented."""
    check: str = ""
    """`beeps`, `clean`, `noisy`, or "" for a trial that counts."""
    expected: int = 0
    """Number of beeps; 0 for any other trial."""


def williams(count: int) -> list[list[int]]:
    """Rows of a Williams square: `count` rows, or twice as many for an odd count.

    >>> williams(4)
    [[0, 3, 1, 2], [1, 0, 2, 3], [2, 1, 3, 0], [3, 2, 0, 1]]
    """
    first = [0]
    for step in range(1, count):
        first.append((first[-1] + (-step if step % 2 else step)) % count)
    rows = [[(place + shift) % count for place in first] for shift in range(count)]
    return rows if count % 2 == 0 else [*rows, *([*reversed(row)] for row in rows)]


@dataclass(frozen=True)
class Checks:
    """Checks of a listener's attention."""

    count: int
    """Number of checks of each kind per listener."""
    clips: list[str]
    """Clips whose clean and noisy versions can be a check; without any, a listener gets beeps alone."""
    seed: int = 0


def session(
    kind: Kind, clips: list[str], systems: list[str], listener: int, blocks: int, checks: Checks
) -> list[Trial]:
    """The trials of one listener, in order.

    Args:
        kind: mos and dmos present one system at a time, ab two, mushra all of them.
        clips: Identifiers of the clips.
        systems: Names of the systems, hidden anchors among them.
        listener: Number of the listener, from 0.
        blocks: Blocks per listener, at most one per clip: a block has each system once (mos, dmos), each pair of
            systems once (ab), or is one page with all systems (mushra).
        checks: The checks of the test; mushra has a hidden reference on each page instead.
    """
    units = list(combinations(range(len(systems)), 2)) if kind == "ab" else [(one,) for one in range(len(systems))]
    order = williams(len(systems) if kind == "mushra" else len(units))
    trials: list[Trial] = []
    for block in range(blocks):
        turn = listener * blocks + block
        cycle, first = divmod(turn, len(clips))
        # Each cycle over the clips starts at another row: after as many cycles as rows, each clip had each order once.
        row = order[(first + _shuffled(len(order))[cycle % len(order)]) % len(order)]
        if kind == "mushra":
            trials.append(Trial(clips[turn % len(clips)], tuple(systems[one] for one in row)))
            continue
        for unit in row:
            clip = (turn + unit) % len(clips)
            lap = (turn + unit) // len(clips)  # how often this clip was presented with this pair before
            places = units[unit] if (lap + clip + unit) % 2 == 0 else units[unit][::-1]
            trials.append(Trial(clips[clip], tuple(systems[one] for one in places)))
    return trials if kind == "mushra" else _with_checks(trials, kind, clips, listener, checks)


@cache
def _shuffled(rows: int) -> tuple[int, ...]:
    """The numbers of the rows in a fixed random order."""
    return tuple(int(row) for row in generator("listening rows", rows).permutation(rows))


def _with_checks(trials: list[Trial], kind: Kind, clips: list[str], listener: int, checks: Checks) -> list[Trial]:
    """The trials with checks between them, at places that differ from listener to listener."""
    rng = generator("listening checks", checks.seed, listener)
    added = []
    for _ in range(checks.count):
        clip = checks.clips[int(rng.integers(len(checks.clips)))] if checks.clips else ""
        if kind == "ab":
            pair = (CLEAN, NOISY) if rng.random() < 0.5 else (NOISY, CLEAN)
            added += [Trial(clip, pair, CLEAN)] if clip else []
            continue
        added.append(Trial(clip or clips[0], (BEEPS,), BEEPS, int(rng.integers(1, 6))))
        added += [Trial(clip, (CLEAN,), CLEAN), Trial(clip, (NOISY,), NOISY)] if clip else []
    places = np.sort(rng.choice(len(trials) + 1, size=len(added), replace=len(added) > len(trials) + 1))
    mixed = list(trials)
    for place, check in sorted(zip(places.tolist(), rng.permutation(len(added)).tolist(), strict=True), reverse=True):
        mixed.insert(place, added[check])
    return mixed


def passed(trial: Trial, ratings: list[int]) -> bool | None:
    """Whether a listener passed a check; None for a trial that is no check.

    The right answer is 4 or 5 for a clean clip, 1 or 2 for a clip in loud noise, and their number for beeps; in a pair,
    the clean clip must be preferred.
    """
    if not trial.check:
        return None
    if len(trial.systems) == 2:
        return ratings[0] == (-1 if trial.systems[0] == CLEAN else 1)
    if trial.check == BEEPS:
        return ratings[0] == trial.expected
    return ratings[0] >= 4 if trial.check == CLEAN else ratings[0] <= 2
