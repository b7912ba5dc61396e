"""Checks that a result can be written, before the work begins."""

from __future__ import annotations

import os
from pathlib import Path

from restorebench.benchmark.errors import RequestError


def require_file(path: Path) -> None:
    """Raises RequestError if no file can be written at a path."""
    if path.is_dir():
        raise RequestError(f"{path}: is a folder; wanted the name of a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise RequestError(f"{path}: cannot be written; check its permissions, or name another file")
    require_folder(path.parent)


def require_folder(path: Path) -> None:
    """Raises RequestError if a folder does not exist and cannot be made, or cannot be written to."""
    nearest = path
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise RequestError(f"{path}: {nearest} is a file; name another place")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise RequestError(f"{path}: cannot be made in {nearest}; check its permissions, or name another place")
