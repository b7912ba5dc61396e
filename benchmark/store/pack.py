"""Packs: a pack is one file (`.rbz`) with the plans, records, costs and, on request, sounds of a store.

The file is a zip whose manifest lists the sha256 of every member. Equal stores give equal files, so that a sha256
published with a result identifies the result's pack. A pack contains the numbers that its maker reports; it does not
prove that the maker measured them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.errors import RequestError, reason
from restorebench.benchmark.store.records import planned_records
from restorebench.benchmark.store.store import ROWS, Store, open_store

SUFFIX, MANIFEST, FORMAT = ".rbz", "manifest.json", 1
RESULTS, SOUNDS = ("plans", "scores", "timings", "cost"), ("pairs", "restored", "spoken")
MEMBER = re.compile(rf"(?:{'|'.join((*RESULTS, *SOUNDS))})/[\w@-][\w.@-]*|provenance\.json")
MEMBER_TIME = (1980, 1, 1, 0, 0, 0)
"""Modification time of every member, which is fixed so that equal stores give equal files."""
MOST_BYTES, MOST_TIMES = 1 << 30, 20
"""A pack may unpack to `MOST_BYTES`, or to `MOST_TIMES` its own size if that is more; a larger one is refused."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compression methods of packs. With other methods, zipfile does not limit a member to its declared size."""
MALFORMED = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, KeyError, ValueError, TypeError,
    AttributeError,
)  # fmt: skip
"""Exceptions that zipfile, zlib and json raise for a file that is no valid pack."""


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True)

    format: int
    members: dict[str, str] = Field(default_factory=dict)
    """Name -> sha256."""


@dataclass(frozen=True)
class Contents:
    """Contents of a pack whose members were all checked."""

    sha256: str
    suites: tuple[str, ...]
    systems: tuple[str, ...]
    values: int
    """Values that were measured."""
    failed: int
    """Values whose measurement failed: recorded with a reason instead of a number."""
    missing: int
    """Planned values without a record: not measured yet."""
    sounds: int


def pack(store: Path, out: Path, sounds: bool = False, progress: Progress = silent) -> str:
    """Writes a store into one file. Returns its sha256.

    Args:
        store: A folder that `run` filled.
        out: The file to write; its name ends in `.rbz`.
        sounds: Whether the pack contains the degraded, restored and spoken sounds too.

    Raises:
        RequestError: There is no store, or the name has another ending.
    """
    if out.suffix != SUFFIX:
        raise RequestError(f"{out}: wanted a name that ends in {SUFFIX}")
    root = open_store(store).root
    kinds = (*RESULTS, *SOUNDS) if sounds else RESULTS
    paths = [path for kind in kinds for path in (root / kind).glob("[!.]*") if path.suffix != ".damaged"]
    names = sorted(path.relative_to(root).as_posix() for path in (*paths, root / "provenance.json") if path.is_file())
    if odd := [name for name in names if not MEMBER.fullmatch(name)]:
        raise RequestError(f"{store}: {odd[0]} is no file of a store; move it elsewhere")
    manifest = {"format": FORMAT, "members": {name: file_sha256(root / name) for name in names}}

    def steps(archive: zipfile.ZipFile) -> Iterator[int]:
        archive.writestr(zipfile.ZipInfo(MANIFEST, MEMBER_TIME), json.dumps(manifest, indent=1, sort_keys=True))
        for name in names:
            # Compression makes JSON files smaller, but has little effect on Parquet, FLAC and WAV files.
            info = zipfile.ZipInfo(name, MEMBER_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
            archive.writestr(info, (root / name).read_bytes())
            yield 1

    with open_atomic(out) as part, zipfile.ZipFile(part, "w") as archive:
        progress("pack", len(names), steps(archive))
    return file_sha256(out)


def unpack(file: Path, into: Path, sounds: bool = True) -> Store:
    """Writes a pack's store into an empty folder; each member is checked against the manifest first.

    Args:
        file: A file that `pack` wrote.
        into: An empty folder.
        sounds: Whether sounds are written too; they are checked either way.

    Raises:
        RequestError: The file is no pack, is damaged, or has a member that no pack has.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            for name, wanted in _members(file, archive).items():
                content = archive.read(name)
                if (seen := hashlib.sha256(content).hexdigest()) != wanted:
                    raise RequestError(f"{file}: {name} was changed (sha256 {seen[:12]}, manifest {wanted[:12]})")
                if sounds or name.partition("/")[0] not in SOUNDS:
                    (into / name).parent.mkdir(parents=True, exist_ok=True)
                    (into / name).write_bytes(content)
    except RequestError:
        raise
    except MALFORMED as error:
        raise RequestError(
            f"{file}: is not a complete pack of results ({reason(error)}); make one with: restorebench submit pack"
        ) from error
    return _readable(file, Store(into))


def _readable(file: Path, store: Store) -> Store:
    """The store, after its plans and values were read. If one is unreadable, raises a RequestError naming the pack."""
    try:
        plans = open_store(store.root).plans()
        for rows in ROWS:
            for value in store.table(rows)["value"].to_pylist():
                if value is not None and not math.isfinite(value):
                    raise RequestError(f"a value is {value}")
    except (RequestError, *MALFORMED) as error:
        why = reason(error).replace(f"{store.root}/", "").partition("; ")[0]
        raise RequestError(f"{file}: is not a complete pack of results ({why}); ask its maker for another") from error
    if not plans:
        raise RequestError(f"{file}: holds no plan; ask its maker for another")
    return store


def _members(file: Path, archive: zipfile.ZipFile) -> dict[str, str]:
    """The manifest's members with their sha256. Raises RequestError unless the archive holds these and no others."""
    infos = archive.infolist()
    if any(info.header_offset < 0 for info in infos):
        raise zipfile.BadZipFile("a member would begin before the file")  # reading it would raise OSError
    if odd := [info.filename for info in infos if info.compress_type not in METHODS or info.flag_bits & 1]:
        raise RequestError(f"{file}: {odd[0]!r} is encrypted, or compressed by a method that no pack uses")
    size, limit = sum(info.file_size for info in infos), max(MOST_BYTES, MOST_TIMES * file.stat().st_size)
    if size > limit:
        raise RequestError(f"{file}: would unpack to {size >> 20} MiB; the limit is {limit >> 20} MiB")
    manifest = _Manifest.model_validate_json(archive.read(MANIFEST))
    if manifest.format != FORMAT:
        raise RequestError(f"{file}: is of format {manifest.format}; this version reads format {FORMAT}")
    members = manifest.members
    names = sorted(info.filename for info in infos)
    if odd := [name for name in names if name != MANIFEST and not MEMBER.fullmatch(name)]:
        raise RequestError(f"{file}: holds {odd[0]!r}, which no pack holds")
    if names != sorted((MANIFEST, *members)):
        differ = sorted(set(names) ^ {MANIFEST, *members}) or sorted({name for name in names if names.count(name) > 1})
        raise RequestError(f"{file}: the manifest and the members differ in {differ[0]}")
    return members


def contents(file: Path, into: Path) -> Contents:
    """Checks a pack with its plans and records, and returns its contents; into: an empty folder for the unpacked store.

    Raises RequestError for a pack that was changed or damaged.
    """
    store = unpack(file, into)
    plans = store.plans()
    records = [planned_records(plan, store) for plan in plans]
    return Contents(
        sha256=file_sha256(file),
        suites=tuple(plan.suite.name for plan in plans),
        systems=tuple(dict.fromkeys(system for plan in plans for system in plan.systems)),
        values=sum(int(rows["value"].notna().sum()) for rows in records),
        failed=sum(int((rows["value"].isna() & rows["done"]).sum()) for rows in records),
        missing=sum(int((~rows["done"]).sum()) for rows in records),
        sounds=sum(1 for kind in SOUNDS for path in (into / kind).glob("*") if path.suffix != ".json"),
    )
