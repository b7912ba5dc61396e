"""Writes benchmark/isolation/hashes.txt: the sha256 of every file of every package that our locks pin.

    .venv/bin/python .ci/hashes.py

Run it after a lock (`metrics/remote/NAME.txt`, `systems/baselines/remote/NAME.txt`) was made anew. The index is asked
for hashes alone.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [ROOT / folder / "remote" for folder in ("metrics", "systems/baselines", "systems/synthesizers")]
TABLE = ROOT / "benchmark" / "isolation" / "hashes.txt"


def hashes(lock: Path) -> dict[str, set[str]]:
    """`package==version` -> sha256 of its files."""
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
    found: dict[str, set[str]] = {}
    for lock in sorted(lock for folder in LOCKS for lock in folder.glob("*.txt")):
        for package, known in hashes(lock).items():
            found.setdefault(package, set()).update(known)
    TABLE.write_text("".join(f"{package} {' '.join(sorted(found[package]))}\n" for package in sorted(found)))
    print(f"{TABLE}: {len(found)} packages, {TABLE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
