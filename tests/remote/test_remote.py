"""Isolated environments are built once; their workers are restarted after a crash and killed when they hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.errors import MAY_PASS, AudioError, RequestError, reason
from restorebench.benchmark.isolation import environments, hashes
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.isolation.remote import Remote, environment_of_a_worker
from restorebench.metrics.isolated_asr import SCRIPTS_FOLDER as METRICS_SCRIPTS
from restorebench.systems.baselines.isolated import SCRIPTS_FOLDER as SYSTEMS_SCRIPTS
from tests.conftest import Cli

TOY = Path(__file__).with_name("toy.py")
PLAIN = Environment(("numpy<2",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of this module's environments."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("environments")
        patch.setenv("RESTOREBENCH_ENVIRONMENTS", str(root))
        yield root


@pytest.fixture
def toy(folder: Path, tmp_path: Path) -> Iterator[Remote]:
    remote = Remote(PLAIN, TOY, {"folder": str(tmp_path)})
    yield remote
    remote.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_arrays_are_sent_and_returned(toy: Remote) -> None:
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0,), np.int64), np.ones(2_000_000)]
    lengths, doubled = toy.call("double", arrays)
    assert lengths == [2, 0, 2_000_000]
    for sent, returned in zip(arrays, doubled, strict=True):
        assert returned.dtype == sent.dtype
        assert np.array_equal(returned, 2 * sent)


def test_a_worker_has_the_packages_of_its_environment(toy: Remote) -> None:
    assert toy.call("version")[0].startswith("1.")
    assert not np.__version__.startswith("1.")


def test_a_worker_that_dies_is_restarted_once(toy: Remote) -> None:
    sound = np.ones(5)
    value, arrays = toy.call("die", [sound], times=1)
    assert value == "life 1"
    assert np.array_equal(arrays[0], sound)


def test_a_worker_that_dies_twice_is_reported_with_its_last_output(toy: Remote) -> None:
    with pytest.raises(AudioError, match=r"in two attempts, its worker died \(exit -9\); its last .*goodbye") as caught:
        toy.call("die", times=5)
    assert reason(caught.value).startswith(MAY_PASS), "the next run must try the clip again"
    assert toy.call("double", [np.ones(2)])[0] == [2]  # the next call starts a new worker


def test_a_worker_that_hangs_is_killed(folder: Path) -> None:
    toy = Remote(PLAIN, TOY, limit_s=0.5)
    toy.call("double")
    assert toy._process is not None
    process = toy._process.pid
    start = time.monotonic()
    with pytest.raises(AudioError, match=r"0.5 s, so its worker was killed; its last output: .*thinking"):
        toy.call("hang")
    assert time.monotonic() - start < 10
    assert not alive(process)
    assert toy.call("double", [np.ones(2)])[0] == [2]
    toy.close()


def test_an_exception_is_reported_in_one_line_and_the_worker_continues(toy: Remote) -> None:
    toy.call("double")
    assert toy._process is not None
    process = toy._process.pid
    with pytest.raises(AudioError, match=r"^toy: ValueError: this clip is empty$"):
        toy.call("refuse")
    assert toy.call("double", [np.ones(3)])[0] == [3]
    assert toy._process.pid == process


def test_a_component_that_cannot_be_created_is_reported(folder: Path) -> None:
    with pytest.raises(AudioError, match="toy: ValueError: no such model"):
        Remote(PLAIN, TOY, {"broken": True}).call("double")


def test_an_environment_is_named_by_its_requirements_and_built_once(folder: Path) -> None:
    assert Environment(("b", "a")).key == Environment(("a", "b")).key
    assert Environment(("a",)).key != Environment(("a==1",)).key
    environments.require(PLAIN)
    [installed] = environments.installed()
    assert installed.requirements == PLAIN.requirements
    assert installed.bytes > 1e6
    ready = PLAIN.folder / environments.READY
    stamp = ready.stat().st_mtime_ns
    environments.require(PLAIN)
    assert ready.stat().st_mtime_ns == stamp


def test_an_unfinished_environment_is_built_again(folder: Path) -> None:
    environments.require(PLAIN)
    (PLAIN.folder / environments.READY).unlink()
    assert not PLAIN.is_ready
    assert environments.installed() == []
    environments.require(PLAIN)
    assert PLAIN.is_ready


def test_a_failed_build_shows_the_resolvers_message(folder: Path) -> None:
    impossible = Environment(("numpy<2", "numpy>=2"))
    with pytest.raises(RequestError) as caught:
        environments.require(impossible)
    assert "uv says" in str(caught.value)
    assert "numpy<2" in str(caught.value)
    assert "unsatisfiable" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not impossible.folder.exists()


@pytest.mark.parametrize("lock", [*METRICS_SCRIPTS.glob("*.txt"), *SYSTEMS_SCRIPTS.glob("*.txt")], ids=lambda p: p.stem)
def test_every_package_of_our_locks_has_its_hashes(lock: Path) -> None:
    hashed = hashes.with_hashes(environments.locked_requirements(lock))
    assert hashed is not None
    assert all("--hash=sha256:" in line for line in hashed)


def test_a_file_with_a_wrong_hash_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real package of the index that this machine is configured to use."""
    monkeypatch.setenv("RESTOREBENCH_ENVIRONMENTS", str(tmp_path))
    package = "idna==3.20"
    environment = Environment((package,))
    monkeypatch.setattr(hashes, "known", lambda: {package: ["0" * 64]})
    with pytest.raises(RequestError, match="Hash mismatch") as caught:
        environments.require(environment)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    monkeypatch.setenv("RESTOREBENCH_ENVIRONMENTS", str(tmp_path))
    environments.require(environment)
    [installed] = environments.installed()
    assert installed.requirements == (package,)


def test_prune_removes_environments_that_no_card_names(folder: Path, cli: Cli) -> None:
    environments.require(PLAIN)
    (folder / "0123456789abcdef").mkdir()
    (folder / "0123456789abcdef" / "pyvenv.cfg").touch()
    listed = cli("env")
    assert listed.returncode == 0, listed.stderr
    assert PLAIN.key in listed.stdout
    assert environments.prune([PLAIN]) == ["0123456789abcdef"]
    assert PLAIN.is_ready
    pruned = cli("env", "--prune")
    assert pruned.returncode == 0, pruned.stderr
    assert PLAIN.key in pruned.stderr + pruned.stdout
    assert environments.installed() == []


PARENT = """
import sys
from pathlib import Path
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.isolation.remote import Remote
toy = Remote(Environment(("numpy<2",)), Path(sys.argv[1]))
toy.call("double")
print(toy._process.pid, flush=True)
toy.call("hang")
"""


def test_a_worker_ends_with_its_parent_process(folder: Path) -> None:
    """The parent process is killed during a call, so that it cannot clean up."""
    command = [sys.executable, "-c", PARENT, str(TOY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.kill()
    deadline = time.monotonic() + 10
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(worker)


def test_an_interrupted_call_leaves_no_answer_for_the_next(toy: Remote) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    toy.call("double", [np.ones(2)])
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            toy.call("hang")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert toy.call("double", [np.ones(3)])[0] == [3]


def test_prune_removes_no_other_environments_and_files(folder: Path) -> None:
    """A folder that the user named may hold other environments and files."""
    for name in ("mine", "0123456789abcdee"):
        (folder / name).mkdir()
        (folder / name / "notes.txt").write_text("keep")
    (folder / "mine" / "pyvenv.cfg").touch()
    environments.prune([])
    assert (folder / "mine" / "notes.txt").is_file()
    assert (folder / "0123456789abcdee" / "notes.txt").is_file()


def test_prune_keeps_an_environment_in_use(toy: Remote) -> None:
    """Even if no card names the environment: an older version of the package may still use it."""
    toy.call("double", [np.ones(2)])
    assert environments.prune([]) == []
    assert toy.call("double", [np.ones(3)])[0] == [3]
    key = toy.environment.key
    toy.close()
    assert environments.prune([]) == [key]


def test_a_worker_sees_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOREBENCH_OFFLINE", "1")
    variables = {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "0", "AWS_SECRET_ACCESS_KEY": "x",
                 "HF_TOKEN": "x", "GITHUB_TOKEN": "x", "PYTHONPATH": "/p", "OMP_NUM_THREADS": "1",
                 "HTTPS_PROXY": "http://me:secret@proxy:8080"}  # fmt: skip
    assert environment_of_a_worker(variables) == {
        "PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "0",
        "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HTTPS_PROXY": "http://proxy:8080",
    }  # fmt: skip
