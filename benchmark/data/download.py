"""Resumable downloads: the received bytes stay in a `.part` file beside the target.

The next attempt appends to the `.part` file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from restorebench.benchmark.errors import RequestError

CHUNK = 1 << 16
"""Size in bytes of the pieces in which a download is written to disk."""
TIMEOUT_S = (15.0, 60.0)
"""Limits in seconds for connecting, and for waiting for further data."""

Progress = Callable[[str, int, Iterator[int]], None]


def offline() -> bool:
    """Whether $RESTOREBENCH_OFFLINE is set (and not 0). Then nothing is downloaded, and a missing file is an error."""
    return os.environ.get("RESTOREBENCH_OFFLINE", "") not in ("", "0")


def kind(checksum: str) -> str:
    """The algorithm of a hexadecimal checksum, by its length."""
    return {32: "md5", 64: "sha256"}[len(checksum)]


def file_hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def download(url: str, target: Path, checksum: str, progress: Progress) -> None:
    """Fetches a file, and names it `target` only when it is complete and its checksum (sha256 or md5, or "") is right.

    Raises RequestError with the address and the network error, or with both checksums; the `.part` file stays.
    """
    import requests
    from filelock import FileLock

    if target.is_file():
        return
    if offline():
        raise RequestError(f"{url} is not fetched: RESTOREBENCH_OFFLINE is set; unset it to allow downloads")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with FileLock(target.with_name(f"{target.name}.lock")):
        if target.is_file():
            return  # another process was faster
        try:
            _continue(url, part, progress)
        except requests.RequestException as error:
            raise RequestError(
                f"{url}: {_last_line(error)}; the received part is kept; run the same command again to continue"
            ) from error
        if checksum and (seen := file_hash(part, kind(checksum))) != checksum:
            raise RequestError(
                f"{part}: {kind(checksum)} {seen}, wanted {checksum}; remove the file and fetch it again"
            )
        part.replace(target)


def _continue(url: str, part: Path, progress: Progress) -> None:
    import requests

    received = part.stat().st_size if part.is_file() else 0
    headers = {"Range": f"bytes={received}-"} if received else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # the `.part` file is complete already; its checksum is checked next
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        remaining = int(response.headers.get("Content-Length", 0))
        with part.open("ab" if resumed else "wb") as file:

            def pieces() -> Iterator[int]:
                for piece in response.iter_content(CHUNK):
                    file.write(piece)
                    yield len(piece)

            progress(part.stem, remaining, pieces())
        size = part.stat().st_size
        wanted = remaining + (received if resumed else 0)
        if remaining and size != wanted:
            raise requests.ConnectionError(f"the connection ended after {size} of {wanted} bytes")


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
