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
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.data.locations import BUNDLE
from restorebench.systems.training.config import merged
from tests.conftest import COMMAND
from tests.tiny import DCCRN, write_toml

pytestmark = pytest.mark.heavy
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
UNEQUAL = ("restored/*.json", "cost/*", "timings/*", "timings.csv", "provenance.json", "index.html")
"""Files with times of processing, dates or versions of the machine, which differ between two undisturbed runs."""


def require_campaign() -> None:
    if KILLS == 1:
        pytest.skip("only in make test-faults")


def started(command: str, inputs: Path, outputs: Path) -> subprocess.Popen[bytes]:
    """The command as a process group of its own."""
    words = [word.replace("IN/", f"{inputs}/").replace("OUT/", f"{outputs}/") for word in COMMANDS[command]]
    return subprocess.Popen(
        [str(COMMAND), *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def finished(command: str, inputs: Path, outputs: Path) -> float:
    """Runs the command to its end; its seconds."""
    start = time.monotonic()
    process = started(command, inputs, outputs)
    _, errors = process.communicate(timeout=300)
    assert process.returncode in (0, 1), errors.decode()
    return time.monotonic() - start


def files(folder: Path) -> dict[str, bytes]:
    """Content of each visible file that two undisturbed runs write alike; "" for the others."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    visible = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return {
        path.relative_to(folder).as_posix(): b"" if any(map(path.match, UNEQUAL)) else path.read_bytes()
        for path in visible
    }


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
        assert done.returncode in (0, 1), done.stderr
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_command_loses_and_changes_nothing(command: str, inputs: Path, tmp_path: Path) -> None:
    if command in SLOW:
        require_campaign()
    seconds = finished(command, inputs, tmp_path / "undisturbed")
    wanted = files(tmp_path / "undisturbed")
    assert wanted
    before = files(inputs)
    rng = np.random.default_rng([KILLS, *command.encode()])
    killed = 0
    for index in range(KILLS):
        outputs = tmp_path / f"killed-{index}"
        process = started(command, inputs, outputs)
        moment = float(rng.uniform(0.1, 1.0)) * seconds
        time.sleep(moment)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
        left = files(outputs) if outputs.is_dir() else {}
        damaged = [name for name, content in left.items() if wanted.get(name) != content]
        assert not damaged, f"after a kill at {moment:.3f} s"
        if left != wanted:  # some commands refuse to write what is complete
            finished(command, inputs, outputs)
        assert files(outputs) == wanted, f"after a kill at {moment:.3f} s"
        assert files(inputs) == before, f"after a kill at {moment:.3f} s"
        shutil.rmtree(outputs)
    assert killed or KILLS < 5, "no moment was before the command's end"


def test_a_killed_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    """`--resume` continues from the last checkpoint; without a checkpoint the training starts again."""
    require_campaign()
    pytest.importorskip("torch")
    from restorebench.systems.training.checkpoint import read

    settings = {"training": {"steps": 40, "validate_every": 5, "log_every": 5, "validation_clips": 1, "listen": 0}}
    config = write_toml(tmp_path / "tiny.toml", merged(DCCRN, settings))

    def train(run: str, *options: str) -> subprocess.Popen[bytes]:
        command = [str(COMMAND), "train", str(config), "--out", str(tmp_path / run), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)

    def weights(run: str) -> dict[str, bytes]:
        tensors = read(tmp_path / run / "model.safetensors", "dccrn").tensors
        return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}

    start = time.monotonic()
    process = train("undisturbed")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    seconds, wanted = time.monotonic() - start, weights("undisturbed")
    rng = np.random.default_rng(KILLS)
    for index in range(KILLS):
        run, moment = f"killed-{index}", float(rng.uniform(0.5, 1.0)) * seconds
        process = train(run)
        time.sleep(moment)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        process = train(run, *(("--resume",) if (tmp_path / run / "state.pt").is_file() else ()))
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
        assert weights(run) == wanted, f"after a kill at {moment:.3f} s"
