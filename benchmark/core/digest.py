"""The content key of every unit."""

from __future__ import annotations

import hashlib


def digest(*parts: str) -> str:
    """A content key: 32 hex digits."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
