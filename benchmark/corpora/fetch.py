"""Gets corpora: archives are fetched in resumable form, verified, unpacked aside and named only when they are whole.

An existing copy is linked, not copied. `--from` also takes a folder that holds the archives themselves.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from restorebench.benchmark.corpora.catalogue import CORPORA, Archive, CorpusEntry
from restorebench.benchmark.download import Progress, download, file_hash, kind
from restorebench.benchmark.errors import RequestError, reason
from restorebench.benchmark.locations import data_folder, users_data_folder
from restorebench.benchmark.registry import unknown

CLEAN, NOISY, NOISE = "clean_testset_wav", "noisy_testset_wav", "noise"


def entry_of(name: str) -> CorpusEntry:
    """The catalogue's entry. Raises RequestError naming the known ones."""
    if name not in CORPORA:
        raise unknown("corpora", name, list(CORPORA))
    return CORPORA[name]


def home() -> Path:
    """The data folder, which need not exist yet."""
    return data_folder() or users_data_folder()


def folder_of(name: str) -> Path:
    return home() / entry_of(name).folder


def lacking(entry: CorpusEntry, folder: Path) -> str:
    """What a copy lacks, in words; "" when it is whole."""
    for pattern, wanted in entry.holds.items():
        seen = sum(1 for _ in folder.glob(pattern))
        if seen < wanted:
            return f"{folder}: {seen} files {pattern}; wanted {wanted} or more"
    return ""


def fetch(name: str, progress: Progress) -> Path:
    """The corpus's folder, fetched if need be.

    Raises RequestError for a corpus that cannot be fetched (with the way to get it), a wrong checksum, a full disk or
    the network's own words.
    """
    entry = entry_of(name)
    if not lacking(entry, folder_of(name)):
        return folder_of(name)
    if not entry.archives:
        raise RequestError(f"{entry.title} has no address to fetch it from; {entry.by_hand}")
    _room(entry)
    kept = home() / ".archives" / name
    for archive in entry.archives:
        download(archive.url, kept / archive.name, archive.checksum, progress)
    made = _make(name, lambda folder: _unpack_all(entry, kept, folder, progress))
    shutil.rmtree(kept)
    return made


def take(name: str, source: Path, progress: Progress) -> Path:
    """The corpus's folder, from a copy: linked to, or unpacked from archives that lie there.

    Raises RequestError when `source` is neither.
    """
    entry = entry_of(name)
    if not lacking(entry, folder_of(name)):
        return folder_of(name)
    if not source.is_dir():
        raise RequestError(f"{source}: no such folder; wanted {entry.title} or its archives")
    if entry.archives and all((source / archive.name).is_file() for archive in entry.archives):
        for archive in entry.archives:
            _verify(source / archive.name, archive)
        _room(entry)
        return _make(name, lambda folder: _unpack_all(entry, source, folder, progress))
    if entry.derived:
        return _make(name, lambda folder: _link_children(source, folder))
    if lack := lacking(entry, source):
        archives = f" or {', '.join(archive.name for archive in entry.archives)}" if entry.archives else ""
        raise RequestError(f"{lack}{archives}")
    target = folder_of(name)
    _free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve(), target_is_directory=True)
    return target


def _make(name: str, fill: Callable[[Path], None]) -> Path:
    """Fills a folder aside and names it when it is whole."""
    from filelock import FileLock

    entry, target = entry_of(name), folder_of(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    with FileLock(target.with_name(f".{target.name}.lock")):
        _free(target)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        fill(part)
        if entry.derived:
            subtract(part)
        if lack := lacking(entry, part):
            raise RequestError(f"{entry.title} is not whole: {lack}")
        part.rename(target)
    return target


def _free(target: Path) -> None:
    if os.path.lexists(target):
        raise RequestError(f"{target} is there already and not whole; move it away, then run the command again")


def _room(entry: CorpusEntry) -> None:
    """Raises RequestError when the disk is too small for archives and files."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(folder).free, entry.bytes + sum(archive.bytes for archive in entry.archives)
    if free < needed:
        raise RequestError(
            f"{entry.title} needs about {needed / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB free; "
            "set RESTOREBENCH_DATA to a folder on a larger disk"
        )


def _verify(path: Path, archive: Archive) -> None:
    if not archive.checksum:
        return
    algorithm = kind(archive.checksum)
    if (seen := file_hash(path, algorithm)) != archive.checksum:
        raise RequestError(f"{path}: {algorithm} {seen}, wanted {archive.checksum}; fetch the file again")


def _unpack_all(entry: CorpusEntry, source: Path, folder: Path, progress: Progress) -> None:
    for archive in entry.archives:
        path = source / archive.name
        steps = _unzip if path.suffix == ".zip" else _untar
        try:
            progress(f"unpack {archive.name}", path.stat().st_size, steps(path, archive.top, folder))
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise RequestError(f"{path}: cannot be unpacked ({reason(error)}); remove it and fetch it again") from error


def _below(top: str, member: str) -> str:
    """The member's path below the folder `top` of the archive; "" when it lies outside."""
    member = member.removeprefix("./")
    if not top:
        return member
    return member.removeprefix(f"{top}/") if member.startswith(f"{top}/") else ""


def _unzip(path: Path, top: str, folder: Path) -> Iterator[int]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            below = _below(top, member.filename)
            if below and not member.is_dir():
                member.filename = below
                archive.extract(member, folder)
            yield member.compress_size


def _untar(path: Path, top: str, folder: Path) -> Iterator[int]:
    done = 0
    with path.open("rb") as file, tarfile.open(fileobj=file) as archive:
        for member in archive:
            below = _below(top, member.name)
            if below and member.isfile():
                archive.extract(member.replace(name=below), folder, filter="data")
            yield file.tell() - done
            done = file.tell()


def _link_children(source: Path, folder: Path) -> None:
    for child in (CLEAN, NOISY):
        if not (source / child).is_dir():
            raise RequestError(f"{source}: no folder {child}; wanted {CLEAN} and {NOISY}, or their archives")
        (folder / child).symlink_to((source / child).resolve(), target_is_directory=True)


def subtract(folder: Path) -> None:
    """VoiceBank-DEMAND's noise: each noisy recording minus its clean one, exact to the bit.

    Raises RequestError when a clean recording is missing, or its length or level does not fit.
    """
    import numpy as np
    import soundfile

    for path in sorted((folder / NOISY).glob("*.wav")):
        beside = folder / CLEAN / path.name
        if not beside.is_file():
            raise RequestError(f"{beside}: no such file; {path.name} has no clean version")
        (noisy, rate), (clean, _) = (soundfile.read(p, dtype="int16") for p in (path, beside))
        if noisy.shape != clean.shape:
            raise RequestError(f"{path.name}: {len(noisy)} noisy samples and {len(clean)} clean ones")
        noise = noisy.astype(np.int32) - clean.astype(np.int32)
        if np.abs(noise).max(initial=0) >= 2**15:
            raise RequestError(f"{path.name}: noise beyond full scale; wanted a noisy version of {beside}")
        made = folder / NOISE / f"{path.stem}.flac"
        made.parent.mkdir(exist_ok=True)
        soundfile.write(made, noise << 16, rate, "PCM_24")
