"""Downloads corpora: archives are verified and unpacked into a temporary folder, which is renamed when complete.

Interrupted downloads are resumed. `--from DIR` links an existing copy, or unpacks the archives in DIR.
"""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from restorebench.benchmark.data.corpora.catalogue import CORPORA, Archive, CorpusEntry
from restorebench.benchmark.data.download import Progress, download, file_hash, kind
from restorebench.benchmark.data.locations import data_folder, users_data_folder
from restorebench.benchmark.errors import RequestError, reason
from restorebench.benchmark.registry import unknown

CLEAN, NOISY, NOISE = "clean_testset_wav", "noisy_testset_wav", "noise"
MOST_TIMES = 3
"""Archives may unpack to at most this many times the corpus's size in the catalogue."""
LFS = b"version https://git-lfs"
"""First bytes of a git-lfs pointer, which stands in for a file that was not fetched."""
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)


def entry_of(name: str) -> CorpusEntry:
    """The catalogue's entry of a corpus. Raises RequestError with similar or known names."""
    if name not in CORPORA:
        raise unknown("corpora", name, list(CORPORA))
    return CORPORA[name]


def data_root() -> Path:
    """The data folder, which need not exist yet."""
    return data_folder() or users_data_folder()


def folder_of(name: str) -> Path:
    return data_root() / entry_of(name).folder


def missing_files(entry: CorpusEntry, folder: Path) -> str:
    """A message about the files that a copy lacks; "" when the copy is complete."""
    for pattern, wanted in entry.holds.items():
        files = list(folder.glob(pattern))
        if len(files) < wanted:
            return f"{folder}: {len(files)} files {pattern}; wanted {wanted} or more"
        with files[0].open("rb") as file:
            if file.read(len(LFS)) == LFS:
                return f"{folder}: its files are git-lfs pointers; run: git lfs pull"
    return ""


def fetch(name: str, progress: Progress) -> Path:
    """The folder of a corpus, which is fetched if there is none.

    Raises RequestError for a folder that is not complete, a corpus without archives (with instructions for getting a
    copy), a wrong checksum, a full disk or a network error.
    """
    entry = entry_of(name)
    with _locked(name) as target:
        if not missing_files(entry, target):
            return target
        if not entry.archives:
            raise RequestError(f"{entry.title} has no address to fetch it from; {entry.by_hand}")
        _require_absent(target)
        downloads = data_root() / ".archives" / name
        check_disk_space(entry, downloads)
        for archive in entry.archives:
            download(archive.url, downloads / archive.name, archive.checksum, progress)
        _make(name, lambda folder: _unpack_all(entry, downloads, folder, progress))
        shutil.rmtree(downloads)
        return target


def import_copy(name: str, source: Path, progress: Progress) -> Path:
    """The folder of a corpus, made from `source`: a link to a copy, or unpacked from archives in `source`.

    Raises RequestError when `source` is neither a complete copy nor a folder with all archives.
    """
    entry = entry_of(name)
    with _locked(name) as target:
        if not missing_files(entry, target):
            return target
        _require_absent(target)
        if not source.is_dir():
            raise RequestError(f"{source}: no such folder; wanted {entry.title} or its archives")
        if entry.archives and all((source / archive.name).is_file() for archive in entry.archives):
            for archive in entry.archives:
                _verify(source / archive.name, archive)
            check_disk_space(entry, source)
            _make(name, lambda folder: _unpack_all(entry, source, folder, progress))
        elif entry.derived:
            _make(name, lambda folder: _link_children(source, folder))
        else:
            copy = _copy_within(entry, source)
            if shortfall := missing_files(entry, copy):
                names = ", ".join(archive.name for archive in entry.archives)
                raise RequestError(f"{shortfall}; or name a folder with the archives {names}" if names else shortfall)
            target.symlink_to(copy.resolve(), target_is_directory=True)
        return target


def _copy_within(entry: CorpusEntry, source: Path) -> Path:
    """The folder of a copy: `source`, or a folder in it that has the corpus's name.

    For LibriSpeech test-clean, that folder is test-clean, LibriSpeech/test-clean or */LibriSpeech/test-clean.
    """
    parts = Path(entry.folder).parts
    inside = [folder for tail in (parts[-1], entry.folder, f"*/{entry.folder}") for folder in sorted(source.glob(tail))]
    return next((folder for folder in inside if folder.is_dir() and not missing_files(entry, folder)), source)


@contextmanager
def _locked(name: str) -> Iterator[Path]:
    """Yields the corpus's folder with its lock held; a partly unpacked folder of an earlier attempt is removed."""
    from filelock import FileLock

    target = folder_of(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        shutil.rmtree(_part(target), ignore_errors=True)
        yield target


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _make(name: str, fill: Callable[[Path], None]) -> None:
    """Fills a temporary folder, which is renamed to the corpus's folder when it is complete."""
    entry, target = entry_of(name), folder_of(name)
    part = _part(target)
    part.mkdir()
    try:
        fill(part)
        if entry.derived:
            subtract(part)
        if shortfall := missing_files(entry, part):
            raise RequestError(f"{entry.title} is not complete: {shortfall}")
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _require_absent(target: Path) -> None:
    if os.path.lexists(target):
        raise RequestError(f"{target} exists but is not complete; move it away, then run the command again")


def check_disk_space(entry: CorpusEntry, archives: Path) -> None:
    """Raises RequestError when the disk has no room for the unpacked files and the rest of the archives to download."""
    to_download = 0
    for archive in entry.archives:
        present = [path for path in (archives / archive.name, archives / f"{archive.name}.part") if path.is_file()]
        to_download += max(0, archive.bytes - present[0].stat().st_size) if present else archive.bytes
    free, needed = shutil.disk_usage(data_root()).free, entry.bytes + to_download
    if free < needed:
        raise RequestError(
            f"{entry.title} needs about {needed / 1e9:.1f} GB more, {data_root()} has {free / 1e9:.1f} GB free; "
            "set RESTOREBENCH_DATA to a folder on a larger disk"
        )


def _verify(path: Path, archive: Archive) -> None:
    if not archive.checksum:
        return
    algorithm = kind(archive.checksum)
    if (seen := file_hash(path, algorithm)) != archive.checksum:
        raise RequestError(f"{path}: {algorithm} {seen}, wanted {archive.checksum}; fetch the file again")


class _UnpackLimit:
    """Counts the bytes that archives may still unpack to, since a small archive can unpack to any size."""

    def __init__(self, entry: CorpusEntry) -> None:
        self.limit = self.left = MOST_TIMES * entry.bytes

    def take(self, size: int, path: Path) -> None:
        """Subtracts `size` bytes. Raises RequestError when the limit is exceeded."""
        self.left -= size
        if self.left < 0:
            raise RequestError(
                f"{path}: holds more than {self.limit / 1e9:.3g} GB, {MOST_TIMES} times the corpus's size; not unpacked"
            )


def _unpack_all(entry: CorpusEntry, source: Path, folder: Path, progress: Progress) -> None:
    limit = _UnpackLimit(entry)
    for archive in entry.archives:
        path = source / archive.name
        unpack = _unzip if path.suffix == ".zip" else _untar
        try:
            progress(f"unpack {archive.name}", path.stat().st_size, unpack(path, archive.top, folder, limit))
        except DAMAGED as error:
            raise _unusable(path, reason(error)) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise _unusable(path, reason(error)) from error  # errors of bz2 and gzip about damaged data have no errno


def _unusable(path: Path, why: str) -> RequestError:
    return RequestError(f"{path}: cannot be unpacked ({why}); remove it and fetch it again")


def _below(tops: Sequence[str], member: str) -> str:
    """The member's path below one of the folders `tops` of the archive; "" for a member outside these folders."""
    member = member.removeprefix("./")
    for top in tops:
        if not top:
            return member
        if member.startswith(f"{top}/"):
            return member.removeprefix(f"{top}/")
    return ""


def _require_files(any_file: bool, tops: Sequence[str], names: Iterable[str], path: Path) -> None:
    if not any_file:
        seen = sorted({name.removeprefix("./").partition("/")[0] for name in names})
        raise RequestError(f"{path}: holds {', '.join(seen[:5]) or 'nothing'}; wanted {' or '.join(tops)}")


def _unzip(path: Path, tops: Sequence[str], folder: Path, limit: _UnpackLimit) -> Iterator[int]:
    with zipfile.ZipFile(path) as archive:
        _require_files(any(_below(tops, name) for name in archive.namelist()), tops, archive.namelist(), path)
        for member in archive.infolist():
            below = _below(tops, member.filename)
            if below and not member.is_dir():
                member.filename = below
                limit.take(member.file_size, path)
                archive.extract(member, folder)
            yield member.compress_size


def _untar(path: Path, tops: Sequence[str], folder: Path, limit: _UnpackLimit) -> Iterator[int]:
    done, seen, names = 0, False, set()
    with path.open("rb") as file, tarfile.open(fileobj=file) as archive:
        for member in archive:
            below = _below(tops, member.name)
            names.add(member.name.removeprefix("./").partition("/")[0])
            if below and member.isfile():
                seen = True
                limit.take(member.size, path)
                archive.extract(member.replace(name=below), folder, filter="data")
            yield file.tell() - done
            done = file.tell()
        require_end(archive)
        _require_files(seen, tops, names, path)


def require_end(archive: tarfile.TarFile) -> None:
    """Raises ReadError for a damaged or truncated archive: tarfile stops at a damaged header without an error.

    A complete archive has at least one block of zeros, and only zeros, after its last member.
    """
    stream = archive.fileobj
    assert stream is not None
    stream.seek(archive.offset)
    size = 0
    while chunk := stream.read(1 << 20):
        size += len(chunk)
        if any(chunk):
            raise tarfile.ReadError("damaged: a member has no readable header")
    if size < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("cut off: the end mark is missing")


def _link_children(source: Path, folder: Path) -> None:
    for child in (CLEAN, NOISY):
        if not (source / child).is_dir():
            raise RequestError(f"{source}: no folder {child}; wanted {CLEAN} and {NOISY}, or their archives")
        (folder / child).symlink_to((source / child).resolve(), target_is_directory=True)


def subtract(folder: Path) -> None:
    """VoiceBank-DEMAND's noise: each noisy recording minus its clean version, exact to the bit.

    Raises RequestError when a clean recording is missing, or its length or level does not fit.
    """
    import numpy as np
    import soundfile

    for path in sorted((folder / NOISY).glob("*.wav")):
        clean_path = folder / CLEAN / path.name
        if not clean_path.is_file():
            raise RequestError(f"{clean_path}: no such file; {path.name} has no clean version")
        (noisy, rate), (clean, _) = (soundfile.read(p, dtype="int16") for p in (path, clean_path))
        if noisy.shape != clean.shape:
            raise RequestError(
                f"{path.name}: {len(noisy)} noisy samples and {len(clean)} clean ones; wanted equal numbers of samples"
            )
        noise = noisy.astype(np.int32) - clean.astype(np.int32)
        if np.abs(noise).max(initial=0) >= 2**15:
            raise RequestError(f"{path.name}: noise beyond full scale; wanted a noisy version of {clean_path}")
        noise_path = folder / NOISE / f"{path.stem}.flac"
        noise_path.parent.mkdir(exist_ok=True)
        soundfile.write(noise_path, noise << 16, rate, "PCM_24")
