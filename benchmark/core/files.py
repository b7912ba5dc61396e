"""Which files of a folder count: those behind links too; nothing hidden, nothing that a desktop left behind."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

LEFT_BEHIND = frozenset({"Thumbs.db", "desktop.ini"})


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Files below a folder with one of the suffixes (lower case), sorted.

    Symbolic links to folders are followed, each real folder once. Hidden files and folders (names that begin with a
    dot, such as `.ipynb_checkpoints` and AppleDouble's `._x.wav`) are passed over. A link that leads nowhere is listed:
    whoever reads it names it.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(root, name)
            for name in files
            if not name.startswith(".") and name not in LEFT_BEHIND and Path(name).suffix.lower() in suffixes
        ]
    return sorted(found)
