"""The fixtures that tests share: real clips and real processes."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one core for each test worker: more would compete for the cores
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RESTOREBENCH_WORKERS"):
        os.environ.setdefault(variable, "1")

import json
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
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
    """The clip of `speech` at 44.1 kHz."""
    return Audio(resample(speech.samples, speech.rate, 44_100), 44_100)


Cli = Callable[..., "subprocess.CompletedProcess[str]"]
LIMIT_S = 600.0
PREFIXES_READ_AT_START = ("PYTHON", "OMP", "MKL", "OPENBLAS", "NUMBA", "LC_", "LANG", "COLUMNS", "HOME", "XDG")
"""Prefixes of the variables that Python or a library reads at its start: a command that sets one gets a new process."""


class CommandServer:
    """Runs commands one at a time in forks of a process that has imported the modules (`command_server.py`)."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(ROOT / "tests" / "command_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, arguments: list[str], working_folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        assert self.process.stdin
        assert self.process.stdout
        streams = {name: self.folder / name for name in ("stdout", "stderr")}
        request = {"arguments": arguments, "folder": str(working_folder), "env": env}
        request |= {name: str(path) for name, path in streams.items()}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], LIMIT_S)[0]:
            self.process.kill()  # otherwise its late answer would be read as the next command's
            raise subprocess.TimeoutExpired(arguments, LIMIT_S)
        code = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, *(path.read_text() for path in streams.values()))


@pytest.fixture(scope="session")
def command_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandServer]:
    server = CommandServer(tmp_path_factory.mktemp("command"))
    yield server
    server.process.kill()
    server.process.communicate()  # closes the pipes


@pytest.fixture
def cli(tmp_path: Path, command_server: CommandServer) -> Cli:
    """Runs the real command in an empty folder."""

    def run(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command, variables = [str(COMMAND), *map(str, arguments)], {**os.environ, **(env or {})}
        can_fork = all(name == "PYTHONPATH" or not name.startswith(PREFIXES_READ_AT_START) for name in env or {})
        if can_fork and command_server.process.poll() is None and command_server.lock.acquire(blocking=False):
            try:
                return command_server.run(command, tmp_path, variables)
            finally:
                command_server.lock.release()
        return subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )

    return run


def add_package(name: str, into: Path) -> None:
    """Installs a published package with its dependencies into a folder of its own."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "pip", "install", "--quiet", "--target", str(into), name], check=True, timeout=600)


def install(package: Path, into: Path) -> None:
    """Installs a package for real, without its dependencies, into a folder of its own."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    tool = [uv, "pip"] if Path(uv).exists() else [sys.executable, "-m", "pip"]
    python = ["--python", sys.executable] if Path(uv).exists() else []
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(into)]
    subprocess.run([*tool, "install", *python, *options, str(package)], check=True, timeout=300)


@pytest.fixture(scope="session")
def toy_plugin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables with which the toy package of tests/plugin can be imported."""
    into = tmp_path_factory.mktemp("toy")
    install(ROOT / "tests" / "plugin", into)
    return {"PYTHONPATH": os.pathsep.join([str(into), *filter(None, [os.environ.get("PYTHONPATH")])])}
