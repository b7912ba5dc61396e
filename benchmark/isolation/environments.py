"""Separate Python environments, built by uv, for components whose packages conflict with those of this project.

A card's `environment` is a list of requirements. They are installed in a folder named by a hash of the list, the Python
version and the platform. The file `ready.json` is written last, so an interrupted build is never used. A file lock
prevents two processes from building the same environment at once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import platformdirs

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.data.download import offline
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.isolation.hashes import with_hashes

if TYPE_CHECKING:
    from filelock import FileLock

USERS = "users"
"""Subfolder of an environment with lock files, one for each use by a process."""
READY = "ready.json"
KEY_DIGITS = 16
LAST_LINES = 12
"""Number of lines of uv's error output that the error for a failed build quotes."""


@dataclass(frozen=True)
class Environment:
    requirements: tuple[str, ...]
    """Pinned requirements in pip's format; the first one names the environment in messages and signatures."""

    @property
    def lock(self) -> str:
        """Hash of the requirements alone; part of the signature of a metric that runs in the environment."""
        return sha256("\n".join(sorted(self.requirements)).encode()).hexdigest()[:KEY_DIGITS]

    @property
    def shown(self) -> str:
        """The requirements in brief."""
        if len(self.requirements) <= 3:
            return ", ".join(self.requirements)
        return f"{self.requirements[0]} and {len(self.requirements) - 1} more"

    @property
    def key(self) -> str:
        """Hash of the requirements, the Python version and the platform; the name of the folder."""
        facts = "\n".join([*sorted(self.requirements), python_version(), sys.platform])
        return sha256(facts.encode()).hexdigest()[:KEY_DIGITS]

    @property
    def folder(self) -> Path:
        return environments_folder() / self.key

    @property
    def python(self) -> Path:
        return python_of(self.folder)

    @property
    def is_ready(self) -> bool:
        return (self.folder / READY).is_file() and self.python.exists()


def locked_requirements(lock: Path) -> tuple[str, ...]:
    """Every package of an environment with its version, from a lock file (see CONTRIBUTING.md)."""
    return tuple(lock.read_text(encoding="utf-8").splitlines())


def environments_folder() -> Path:
    """$RESTOREBENCH_ENVIRONMENTS, or `environments` in the user's cache."""
    if named := os.environ.get("RESTOREBENCH_ENVIRONMENTS"):
        return Path(named)
    return platformdirs.user_cache_path("restorebench") / "environments"


def python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def build(environments: Iterable[Environment], progress: Callable[[str, int, Iterator[int]], None]) -> None:
    """Builds the environments that are not ready, one after the other. Raises RequestError with uv's error message."""
    for environment in environments:
        if not environment.is_ready:
            progress(f"build {environment.shown}", 1, (1 for one in (environment,) if require(one)))


def require(environment: Environment) -> Path:
    """The path of the environment's Python; builds the environment if necessary. Raises RequestError if that fails."""
    if environment.is_ready:
        return environment.python
    from filelock import FileLock

    environments_folder().mkdir(parents=True, exist_ok=True)
    with FileLock(f"{environment.folder}.lock"):
        if not environment.is_ready:
            _build(environment)
    return environment.python


def _build(environment: Environment) -> None:
    folder = environment.folder
    shutil.rmtree(folder, ignore_errors=True)  # remains of an interrupted build
    uv = _uv()
    try:
        _uv_run(uv, "venv", "--python", sys.executable, str(folder))
        _install(uv, environment)
        frozen = _uv_run(uv, "pip", "freeze", "--python", str(environment.python))
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        tail = " / ".join(error.stderr.strip().splitlines()[-LAST_LINES:])
        raise RequestError(f"the environment for {environment.shown} could not be built; uv says: {tail}") from error
    facts = {
        "requirements": list(environment.requirements),
        "python": python_version(),
        "packages": frozen.splitlines(),
    }
    write_atomic(folder / READY, json.dumps(facts, indent=1).encode())


def _install(uv: str, environment: Environment) -> None:
    """Installs the requirements and numpy; with hash checks if hashes.txt lists every requirement."""
    install = ("pip", "install", "--python", str(environment.python))
    hashed = with_hashes(environment.requirements)
    if hashed is None:
        _uv_run(uv, *install, "numpy", *environment.requirements)
        return
    lock = environment.folder / "lock.txt"
    lock.write_text("".join(f"{line}\n" for line in hashed), encoding="utf-8")
    _uv_run(uv, *install, "--require-hashes", "--no-deps", "--requirement", str(lock))
    # Installs what the requirements lack: numpy, or dependencies that a third-party component does not list.
    _uv_run(uv, *install, "numpy", *environment.requirements)


def _uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def _uv_run(uv: str, *arguments: str) -> str:
    variables = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    offline_option = ["--offline"] if offline() else []
    command = [uv, "--quiet", *offline_option, *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return done.stdout


@dataclass(frozen=True)
class Installed:
    key: str
    requirements: tuple[str, ...]
    bytes: int


def installed() -> list[Installed]:
    """Finished environments, by key."""
    folders = sorted(path.parent for path in environments_folder().glob(f"*/{READY}"))
    return [Installed(folder.name, _requirements_in(folder), _size_of(folder)) for folder in folders]


def _requirements_in(folder: Path) -> tuple[str, ...]:
    return tuple(json.loads((folder / READY).read_text(encoding="utf-8"))["requirements"])


def _size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def hold(environment: Environment) -> FileLock:
    """A lock that keeps `prune` from removing the environment, which is built if necessary.

    The lock holds until it is released or the process ends. Raises RequestError with uv's error message.
    """
    from filelock import FileLock

    while True:
        require(environment)
        with FileLock(f"{environment.folder}.lock"):  # prune holds the same lock while it checks and removes
            if environment.is_ready:
                users = environment.folder / USERS
                users.mkdir(exist_ok=True)
                lock = FileLock(users / f"{os.getpid()}-{uuid4().hex[:8]}.lock", thread_local=False)
                lock.acquire()
                return lock


def _in_use(folder: Path) -> bool:
    """Whether a process holds one of the locks. Lock files of processes that have ended are removed."""
    from filelock import FileLock, Timeout

    for path in sorted((folder / USERS).glob("*.lock")):
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
        path.unlink(missing_ok=True)
    return False


def prune(keep: Iterable[Environment]) -> list[str]:
    """Removes all environments that are not in `keep`, unfinished ones included. Returns the removed keys.

    Environments in use by a worker, and folders that are not environments, are not removed.
    """
    from filelock import FileLock

    kept = {environment.key for environment in keep}
    removed = []
    for folder in sorted(environments_folder().glob("[0-9a-f]" * KEY_DIGITS)):
        if folder.name in kept or not any((folder / mark).is_file() for mark in (READY, "pyvenv.cfg")):
            continue
        with FileLock(f"{folder}.lock"):
            if _in_use(folder):
                continue
            shutil.rmtree(folder)
        Path(f"{folder}.lock").unlink(missing_ok=True)
        removed.append(folder.name)
    return removed


def used_by(cards: Iterable[tuple[str, Sequence[str]]]) -> dict[Environment, list[str]]:
    """Environments that cards require, each with the names of the components that require it."""
    used: dict[Environment, list[str]] = {}
    for name, requirements in cards:
        if requirements:
            used.setdefault(Environment(tuple(requirements)), []).append(name)
    return used
