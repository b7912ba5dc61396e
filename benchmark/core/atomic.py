"""Writes files so that they are either absent or complete, even if the process is killed."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"
LEFT_OVER_S = 24 * 3600.0
"""Age in seconds from which a part file is regarded as left by a killed process."""


@contextmanager
def open_atomic(path: Path) -> Iterator[Path]:
    """Yields the path of a part file, which is synced and renamed to `path` when the block ends without an error.

    The part file has a random name, so that processes of several machines can write the same file. The part file
    is created with O_EXCL: an existing file or symbolic link is never overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # the error of a full disk names no file
    finally:
        part.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file that is either absent or complete."""
    with open_atomic(path) as part:
        part.write_bytes(data)


def sweep(folder: Path) -> None:
    """Removes part files of a folder that are more than a day old: killed processes left them."""
    for part in folder.glob(f".*{PART}"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > LEFT_OVER_S:
                part.unlink()
