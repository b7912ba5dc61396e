"""Locations of files: `data:PATH` is below the data folder, `demo:PATH` in the bundled corpus, others are plain paths.

Recipes and plans contain locations instead of absolute paths, so that they are valid on every machine.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from restorebench.benchmark.core.files import files_below
from restorebench.benchmark.data.corpora.catalogue import fetch_hint
from restorebench.benchmark.data.tables import read_csv
from restorebench.benchmark.errors import AudioError, AwayError, RequestError

BUNDLE = Path(__file__).resolve().parent / "corpora" / "demo_audio"
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"}

ARCHIVED = re.compile(r"(?P<archive>.+\.tar)#(?P<offset>\d+)\+(?P<size>\d+)")


@dataclass(frozen=True)
class Member:
    """Position of a file's bytes within an uncompressed archive; the file's location is `ARCHIVE.tar#OFFSET+SIZE`."""

    archive: str
    offset: int
    size: int

    @property
    def uri(self) -> str:
        return f"{self.archive}#{self.offset}+{self.size}"


def archived(location: str) -> Member | None:
    """The archive member that a location names, or None if the location is not within an archive."""
    match = ARCHIVED.fullmatch(location)
    return Member(match["archive"], int(match["offset"]), int(match["size"])) if match else None


def data_folder() -> Path | None:
    """The first of: $RESTOREBENCH_DATA, `shared/data` beside a source checkout, the folder of `data fetch`; or None."""
    if named := os.environ.get("RESTOREBENCH_DATA"):
        return Path(named)
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return next((folder for folder in (beside, users_data_folder()) if folder.is_dir()), None)


def users_data_folder() -> Path:
    """The folder into which `data fetch` puts corpora when `data_folder` finds none."""
    import platformdirs

    return platformdirs.user_data_path("restorebench") / "data"


def resolve_uri(location: str) -> Path:
    """The file path of a location.

    Raises RequestError when the data folder is needed and absent, or for a member of an archive.
    """
    if archived(location):
        raise RequestError(f"{location}: lies within an archive, which only training can read; unpack the archive")
    scheme, colon, rest = location.partition(":")
    if colon and scheme == "demo":
        return BUNDLE / rest
    if colon and scheme == "data":
        root = data_folder()
        if root is None:
            todo = fetch_hint(location) or "; set RESTOREBENCH_DATA to the path of that folder"
            raise RequestError(f"{location} needs the data folder, and there is none{todo}")
        return root / rest
    return Path(location)


@cache
def _splits(root: Path) -> dict[str, str]:
    manifest = root / "manifest.csv"
    if not manifest.is_file():
        return {}
    return {row["path"]: row["split"] for row in read_csv(manifest, ("path", "split"))}


def audio_files(folder: str, split: str = "") -> tuple[str, ...]:
    """Locations of the audio files below a folder, sorted. `split`: only the files that the manifest lists in it.

    Raises RequestError when the folder is absent or holds no audio.
    """
    path = resolve_uri(folder)
    if not path.is_dir():
        todo = fetch_hint(folder) or "; name a folder of audio files"
        raise RequestError(f"{folder}: no such folder ({path}){todo}")
    prefix = folder if folder.endswith(("/", ":")) else f"{folder}/"
    names = _audio_names(path, prefix, split, data_folder() if split else None)
    if not names:
        raise RequestError(f"{folder}: no audio files" + (f" in split {split!r}" if split else "") + f" below {path}")
    return names


@cache
def _audio_names(path: Path, prefix: str, split: str, root: Path | None) -> tuple[str, ...]:
    """Locations of the audio files; cached per folder, since a folder of 60 000 files is too slow to list per clip."""
    names = (f"{prefix}{p.relative_to(path).as_posix()}" for p in files_below(path, AUDIO_SUFFIXES))
    if not split:
        return tuple(names)
    known = _splits(root) if root else {}
    return tuple(name for name in names if known.get(name.removeprefix("data:")) == split)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, cached; computed again when the file's size or modification time has changed.

    Raises AwayError if the file cannot be read, and AudioError if it is not a regular file, such as a pipe.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise AwayError(f"{path.name}: cannot be reached ({error.strerror or error})") from error
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{path.name}: is not a regular file")
    try:
        return _file_sha256(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise AwayError(f"{path.name}: cannot be read ({error.strerror or error})") from error


def sha256_if_readable(path: Path) -> str:
    """The hash of a corpus's file, or "" if it cannot be read; rendering or scoring it then reports the reason."""
    try:
        return file_sha256(path)
    except AudioError:
        return ""


@cache
def _file_sha256(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
