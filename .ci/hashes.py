"""Writes benchmark/isolation/hashes.txt: the sha256 of every file of every package that our lock files pin.

    .venv/bin/python .ci/hashes.py

Run this script after a lock file in `metrics/remote`, `systems/baselines/remote` or `systems/synthesizers/remote` has
changed. It requests only hashes from the package index; it downloads no packages.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
LOCK_FOLDERS = [ROOT / folder / "remote" for folder in ("metrics", "systems/baselines", "systems/synthesizers")]
TABLE = ROOT / "benchmark" / "isolation" / "hashes.txt"


def hashes(lock: Path) -> dict[str, set[str]]:
    """`package==version` -> sha256 hashes of the package's files, for every package of a lock file."""
    options = [
        "--generate-hashes",
        "--universal",
        "--no-deps",
        "--no-header",
        "--no-annotate",
        "--python-version",
        "3.11",
    ]
    compiled = subprocess.run(
        [find_uv_bin(), "--quiet", "pip", "compile", str(lock), *options], capture_output=True, text=True, check=True
    ).stdout
    entries = re.split(r"\n(?=\S)", compiled)
    return {
        entry.partition("\\")[0].partition(";")[0].strip(): set(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
        for entry in entries
    }


def main() -> int:
    by_package: dict[str, set[str]] = {}
    for lock in sorted(lock for folder in LOCK_FOLDERS for lock in folder.glob("*.txt")):
        for package, file_hashes in hashes(lock).items():
            by_package.setdefault(package, set()).update(file_hashes)
    lines = [f"{package} {' '.join(sorted(by_package[package]))}\n" for package in sorted(by_package)]
    TABLE.write_text("".join(lines))
    print(f"{TABLE}: {len(by_package)} packages, {TABLE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
