"""Workers that run the packages of systems' authors: code PACKAGE_package.py and locked requirements PACKAGE.txt."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.isolation.environments import Environment, locked_requirements
from restorebench.benchmark.isolation.remote import Remote


def packaged(folder: Path, package: str) -> tuple[str, tuple[str, ...], str]:
    """The file name of a package's worker code, its locked requirements, and the hash of the code."""
    name = f"{package}_package.py"
    return name, locked_requirements(folder / f"{package}.txt"), file_sha256(folder / name)


@cache
def shared_remote(script: Path, requirements: tuple[str, ...], settings: tuple[tuple[str, str], ...]) -> Remote:
    """The worker with this code, environment and settings, one per process."""
    return Remote(Environment(requirements), script, dict(settings))
