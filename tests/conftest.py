"""Real clips, real processes: what the tests share."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one core per worker: threads and processes of several would wait
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RESTOREBENCH_WORKERS"):
        os.environ.setdefault(variable, "1")

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.audio import read, resample
from restorebench.benchmark.data.locations import BUNDLE, data_folder
from restorebench.benchmark.types import Audio

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("restorebench")


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of real recordings."""
    folder = data_folder()
    if folder is None or not (folder / "manifest.csv").is_file():
        pytest.skip("the real recordings are not here (no ../shared/data and no RESTOREBENCH_DATA)")
    return folder


@pytest.fixture(scope="session")
def speech() -> Audio:
    """A bundled clip of 2.5 s at 16 kHz, without digital silence."""
    clip = read(BUNDLE / "slt_04.flac")
    rng = np.random.default_rng(4)
    return Audio((clip.samples + rng.normal(scale=1e-4, size=len(clip.samples))).astype(np.float32), clip.rate)


@pytest.fixture(scope="session")
def full_band(speech: Audio) -> Audio:
    """The same at 44.1 kHz."""
    return Audio(resample(speech.samples, speech.rate, 44_100), 44_100)


Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs the real command in an empty folder."""

    def run(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(COMMAND), *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def install(package: Path, into: Path) -> None:
    """Installs a package for real, without its dependencies, into a folder of its own."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    tool = [uv, "pip"] if Path(uv).exists() else [sys.executable, "-m", "pip"]
    python = ["--python", sys.executable] if Path(uv).exists() else []
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(into)]
    subprocess.run([*tool, "install", *python, *options, str(package)], check=True, timeout=300)


@pytest.fixture(scope="session")
def toy_plugin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the toy package of tests/plugin is installed."""
    into = tmp_path_factory.mktemp("toy")
    install(ROOT / "tests" / "plugin", into)
    return {"PYTHONPATH": os.pathsep.join([str(into), *filter(None, [os.environ.get("PYTHONPATH")])])}
