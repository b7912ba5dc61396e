"""Lists the files of a folder: links are followed; hidden files and files of desktop programs are left out."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable
from pathlib import Path

LOG = logging.getLogger(__name__)
LEFT_BEHIND = frozenset({"Thumbs.db", "desktop.ini"})


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Files below a folder with one of the suffixes (lower case), sorted.

    Symbolic links to folders are followed, except links to a folder that contains them; below a link, a folder
    that was listed already is left out. Hidden files and folders (names that begin with a dot, such as
    `.ipynb_checkpoints` and AppleDouble's `._x.wav`) are left out. A broken link is listed, so that the code that reads
    it reports it by name.
    """
    paths: list[Path] = []
    walked: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        top, real = Path(root), os.path.realpath(root)
        if _leads_back(top, folder) or (real in walked and _behind_a_link(top, folder)):
            LOG.debug("%s: passed over, a link to a folder that is listed already", root)
            folders.clear()
            continue
        walked.add(real)
        folders[:] = [path.name for path in visible(Path(root, name) for name in folders)]
        shown = visible(Path(root, name) for name in files)
        paths += [path for path in shown if path.suffix.lower() in suffixes]
    return sorted(paths)


def visible(paths: Iterable[Path]) -> list[Path]:
    """The paths, sorted, without hidden files and files of desktop programs (`LEFT_BEHIND`)."""
    shown = []
    for path in paths:
        if path.name.startswith(".") or path.name in LEFT_BEHIND:
            LOG.debug("%s: passed over, a hidden file or folder", path)
        else:
            shown.append(path)
    return sorted(shown)


def _leads_back(path: Path, top: Path) -> bool:
    """Whether `path` is a link to `top`, to a folder above `top`, or to a folder between `top` and `path`."""
    if path == top or not path.is_symlink():
        return False
    real, root = os.path.realpath(path), os.path.realpath(top)
    if root == real or root.startswith(real.rstrip(os.sep) + os.sep):
        return True
    between = [above for above in path.parents if above == top or top in above.parents]
    return any(os.path.realpath(above) == real for above in between)


def _behind_a_link(path: Path, top: Path) -> bool:
    """Whether a folder between `top` and `path` is a link: below a link, links could form an endless cycle."""
    return any(above.is_symlink() for above in path.parents if above != top and top in above.parents)
