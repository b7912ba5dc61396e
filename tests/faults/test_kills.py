"""Commands that write files are killed with their workers at random moments (kill -9), and then run again.

After the kill, every visible file is absent or as the undisturbed command writes it; after the second run, all files
are. `RESTOREBENCH_KILLS` is the number of kills per command: 25 in `make test-faults`. `make test-heavy` kills the
faster commands once.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.store.checked import read_table, unsealed
from restorebench.benchmark.store.store import SCHEMA
from restorebench.systems.training.config import merged
from tests.conftest import COMMAND
from tests.tiny import DCCRN, write_toml

pytestmark = pytest.mark.heavy
campaign = pytest.mark.campaign
KILLS = int(os.environ.get("RESTOREBENCH_KILLS", "1"))
SYSTEMS = ("--systems", "unprocessed,spectral-gate,target", "--metrics", "lsd,stoi")
COMMANDS = {
    "run": ("run", "demo", "--limit", "3", *SYSTEMS, "--workers", "2", "--store", "OUT/store"),
    "degrade": ("degrade", "demo", "--limit", "6", "--out", "OUT/set"),
    "restore": ("restore", "IN/noisy", "OUT/restored", "--system", "spectral-gate"),
    "score": ("score", "--estimates", "IN/noisy", "--metrics", "dnsmos", "--out", "OUT/scores.csv"),
    "merge": ("store", "merge", "IN/part-1", "IN/part-2", "--out", "OUT/merged"),
    "pack": ("submit", "pack", "IN/store", "--audio", "--out", "OUT/ours.rbz"),
    "gate": ("gate", "IN/store", "--baseline", "OUT/gate.json", "--system", "spectral-gate", "--value", "lsd",
             "--update-baseline", "--reason", "first", "--allow-less"),
    "report": ("report", "IN/store", "--out", "OUT/report", "--clips", "2"),
}  # fmt: skip
SLOW = ("degrade", "score", "report")
UNEQUAL = ("restored/*.json", "cost/*", "timings/*", "timings.csv", "provenance.json", "index.html", "files.txt")
"""Files with times of processing, dates or versions of the machine, which differ between two undisturbed runs; and the
list of a report's files, which grows while the report is written."""
ATTEMPTS = 20
"""Kills that may come after the end of the command, for each kill that does not."""


@dataclass(frozen=True)
class Undisturbed:
    """A run of a command to its end."""

    code: int
    seconds: float
    files: int
    """Number of files in its folder at its end."""


def finished(command: Sequence[str], folder: Path) -> Undisturbed:
    """Runs a command that writes to `folder` to its end."""
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode in (0, 1), errors.decode()
    return Undisturbed(process.returncode, time.monotonic() - start, count(folder))


def count(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if not path.is_dir())


def kill(command: Sequence[str], folder: Path, undisturbed: Undisturbed, rng: np.random.Generator) -> str:
    """Starts a command in a process group of its own and kills the group; when it was killed, or "" if it had ended.

    The moment is drawn from the whole run, or it is that at which a file appears whose number is drawn: the command is
    then in the middle of writing.
    """
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        writes = rng.random() < 0.7
        number, moment = int(rng.integers(1, undisturbed.files + 1)), rng.uniform(0.0, undisturbed.seconds)
        while writes and process.poll() is None and count(folder) < number:
            time.sleep(0.0005)
        time.sleep(0.0 if writes else moment)
        if process.poll() is not None:
            return ""
        os.killpg(process.pid, signal.SIGKILL)
    return f"killed at file {number}" if writes else f"killed after {moment:.3f} s"


def files(folder: Path) -> dict[str, bytes]:
    """Content of each visible file; of files that differ between undisturbed runs, only whether they are whole."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    visible = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return {
        path.relative_to(folder).as_posix(): whole(path) if any(map(path.match, UNEQUAL)) else path.read_bytes()
        for path in visible
    }


def whole(path: Path) -> bytes:
    """b"whole" for a complete file; raises an error or returns the end of any other."""
    if path.suffix == ".json":
        unsealed(path)
        return b"whole"
    if path.suffix == ".parquet":
        read_table(path, SCHEMA)
        return b"whole"
    end = path.read_bytes()[-20:]
    return (
        b"whole"
        if end.rstrip().endswith(b"</html>") or (path.suffix in (".csv", ".txt") and end.endswith(b"\n"))
        else end
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, two shards of it, and a folder of recordings."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "noisy").mkdir()
    for path in sorted(BUNDLE.glob("*.flac"))[:6]:
        shutil.copy(path, folder / "noisy" / path.name)
    run = [str(COMMAND), "run", "demo", "--limit", "6", *SYSTEMS, "--store"]
    shards = (("store", ()), ("part-1", ("--shard", "1/2")), ("part-2", ("--shard", "2/2")))
    for name, shard in shards:
        done = subprocess.run([*run, str(folder / name), *shard], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", [pytest.param(n, marks=campaign if n in SLOW else ()) for n in COMMANDS])
def test_a_killed_command_loses_and_changes_nothing(name: str, inputs: Path, tmp_path: Path) -> None:
    def command(outputs: Path) -> list[str]:
        words = (word.replace("IN/", f"{inputs}/").replace("OUT/", f"{outputs}/") for word in COMMANDS[name])
        return [str(COMMAND), *words]

    undisturbed = finished(command(tmp_path / "undisturbed"), tmp_path / "undisturbed")
    wanted, before = files(tmp_path / "undisturbed"), files(inputs)
    assert wanted
    rng = np.random.default_rng([KILLS, *name.encode()])
    kills = 0
    for attempt in range(KILLS * ATTEMPTS):
        outputs = tmp_path / f"killed-{attempt}"
        outputs.mkdir()
        moment = kill(command(outputs), outputs, undisturbed, rng)
        left = files(outputs)
        assert not [file for file, content in left.items() if wanted.get(file) != content], moment
        if moment and left != wanted:  # some commands refuse to write what is complete
            assert finished(command(outputs), outputs).code == undisturbed.code, moment
        assert files(outputs) == wanted, moment
        assert files(inputs) == before, moment
        shutil.rmtree(outputs)
        kills += bool(moment)
        if kills == KILLS:
            return
    pytest.fail(f"only {kills} of {KILLS * ATTEMPTS} kills came before the command's end")


@campaign
def test_a_killed_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    """`--resume` continues from the last checkpoint; without a checkpoint the training starts again."""
    pytest.importorskip("torch")
    from restorebench.systems.training.checkpoint import read

    settings = {"training": {"steps": 40, "validate_every": 5, "log_every": 5, "validation_clips": 1, "listen": 0}}
    config = write_toml(tmp_path / "tiny.toml", merged(DCCRN, settings))

    def command(run: Path, *options: str) -> list[str]:
        return [str(COMMAND), "train", str(config), "--out", str(run), *options]

    def weights(run: Path) -> dict[str, bytes]:
        tensors = read(run / "model.safetensors", "dccrn").tensors
        return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}

    undisturbed = finished(command(tmp_path / "undisturbed"), tmp_path / "undisturbed")
    wanted = weights(tmp_path / "undisturbed")
    rng = np.random.default_rng(KILLS)
    kills = 0
    for attempt in range(KILLS * ATTEMPTS):
        run = tmp_path / f"killed-{attempt}"
        moment = kill(command(run), run, undisturbed, rng)
        if moment:
            resume = ["--resume"] if (run / "state.pt").is_file() else []
            assert finished(command(run, *resume), run).code == 0, moment
        assert weights(run) == wanted, moment
        kills += bool(moment)
        if kills == KILLS:
            return
    pytest.fail(f"only {kills} of {KILLS * ATTEMPTS} kills came before the training's end")
