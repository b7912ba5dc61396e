"""Random streams and seeds derived from names (suite, clip, ...), so that they never depend on the order of work."""

from __future__ import annotations

import hashlib

import numpy as np


def _digest(*identity: str | int) -> bytes:
    return hashlib.sha256("\x1f".join(str(part) for part in identity).encode()).digest()


def generator(*identity: str | int) -> np.random.Generator:
    """One stream per identity, e.g. (suite, utterance, condition, draw)."""
    return np.random.default_rng(int.from_bytes(_digest(*identity)[:16], "big"))


def integer(*identity: str | int) -> int:
    """A seed in [0, 2**31) for a system, e.g. from (suite, trial, system, draw)."""
    return int.from_bytes(_digest(*identity)[:4], "big") >> 1
