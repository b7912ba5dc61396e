"""Known sha256 hashes of the files of pinned packages (`hashes.txt`), for pip's `--require-hashes`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("hashes.txt")
"""`package==version`, then its hashes; `.ci/hashes.py` writes it."""


@cache
def known() -> dict[str, list[str]]:
    rows = (line.split() for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {package: hashes for package, *hashes in rows}


def with_hashes(requirements: Sequence[str]) -> list[str] | None:
    """The requirements in the format of pip's `--require-hashes`; None when `hashes.txt` lacks one of them."""
    hashes_by_requirement = [known().get(requirement.partition(";")[0].strip(), []) for requirement in requirements]
    if not all(hashes_by_requirement):
        return None
    return [
        " ".join([requirement, *(f"--hash=sha256:{one}" for one in hashes)])
        for requirement, hashes in zip(requirements, hashes_by_requirement, strict=True)
    ]
