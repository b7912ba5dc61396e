"""Provenance of a result: package versions, commit, machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = (
    "restorebench", "numpy", "scipy", "soundfile", "soxr", "pandas", "pyarrow", "onnxruntime", "speechmos", "librosa",
    "jiwer", "pocketsphinx", "pesq", "pystoi", "resemblyzer", "torch", "pyroomacoustics", "nara_wpe",
    "torchaudio", "lightning-fabric", "safetensors", "descript-audio-codec",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Installed versions; a package that is absent is left out."""
    by_package = {}
    for name in PACKAGES:
        try:
            by_package[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return by_package


def commit() -> str:
    """The commit of a source checkout, with `+dirty` when files differ from the commit; "" for an installed package.

    If the variable RESTOREBENCH_COMMIT is set, its value is returned; set it for a copy without git history.
    """
    if named := os.environ.get("RESTOREBENCH_COMMIT"):
        return named
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+dirty" if _git(root, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()


def processor() -> str:
    """The model of the processor, as the operating system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def collect() -> dict[str, Any]:
    """The provenance of a result: versions, commit, Python, operating system and processor, as JSON values."""
    return {
        "versions": versions(),
        "commit": commit(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
    }
