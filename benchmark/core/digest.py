"""Computes content keys, which name the units of work in a store."""

from __future__ import annotations

import hashlib


def digest(*parts: str) -> str:
    """A content key: 32 hex digits."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
