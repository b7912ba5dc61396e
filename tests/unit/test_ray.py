"""Ray instead of the local pool: the records are the same, also when workers and nodes are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from restorebench.benchmark.errors import RequestError
from tests.conftest import COMMAND, Cli

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = pytest.mark.heavy
RUN = ("demo", "--limit", "4", "--systems", "unprocessed,spectral-gate,dtln,target", "--metrics", "lsd,dnsmos")

KILLS = """
import os, sys, time
from pathlib import Path
from restorebench.benchmark.run.ray_pool import RayWorkers
from tests.ray_units import deadly, died, doubled, halves
marks = Path(sys.argv[1])
with RayWorkers("", 2) as pool:
    print(pool.ray.nodes()[0]["NodeManagerAddress"])
    print(sorted(pool.map(doubled, list(range(20)), died)))
    print(sorted(pool.map(deadly, [(marks, 1), (marks, 2, 13, 3), (marks, 4)], died, halves)))
    try:
        list(pool.map(lambda unit: 1 // unit, [1, 0], died))
    except ZeroDivisionError as error:
        print("raised", error)
"""
NODES = """
import sys, time, threading
from pathlib import Path
from ray.cluster_utils import Cluster
from restorebench.benchmark.run.ray_pool import RayWorkers
from tests.ray_units import died, slow
marks = Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
with RayWorkers(cluster.address) as pool:
    lost = cluster.add_node(num_cpus=1)  # added last: the driver must not join this node
    cluster.wait_for_nodes()
    def kill():
        while len(list(marks.iterdir())) < 6:
            time.sleep(0.05)
        cluster.remove_node(lost, allow_graceful=False)
    thread = threading.Thread(target=kill)
    thread.start()
    print(sorted(pool.map(slow, [(marks, number) for number in range(24)], died)))
    thread.join()
cluster.shutdown()
"""


def script_output(code: str, folder: Path) -> list[str]:
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_unit_that_kills_its_worker_is_lost_alone(tmp_path: Path) -> None:
    """The other parts of the failing unit are computed. An exception of a unit is raised, as in the local pool."""
    address, plain, survived, raised = script_output(KILLS, tmp_path)
    assert address == "127.0.0.1", "Ray must listen on the loopback address alone"
    assert plain == str([2 * unit for unit in range(20)])
    assert survived == str([(1,), (2,), (3,), (4,), (13, -1)])
    assert raised == "raised integer division or modulo by zero"


def test_the_units_of_a_lost_node_run_elsewhere(tmp_path: Path) -> None:
    [survived] = script_output(NODES, tmp_path)
    assert survived == str(list(range(24)))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    done = subprocess.run([str(COMMAND), "run", *RUN, "--store", "s"], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "s"


def busy_workers() -> Iterator[int]:
    """Processes of Ray that run a unit, found by the name that Ray gives them."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command_line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if command_line.startswith(b"ray::") and b"_unit" in command_line:
            yield int(folder.name)


def test_records_equal_those_of_the_local_engine(local: Path, tmp_path: Path) -> None:
    """The records are equal byte for byte, although two workers are killed during scoring."""
    command = [str(COMMAND), "run", *RUN, "--store", "s", "--engine", "ray", "--workers", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    killed = 0
    while process.poll() is None and killed < 2:
        for worker in busy_workers():
            if killed < 2:
                os.kill(worker, signal.SIGKILL)
                killed += 1
                time.sleep(1.0)
        time.sleep(0.02)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert killed == 2
    assert (tmp_path / "s" / "records.csv").read_bytes() == (local / "records.csv").read_bytes()


def test_contradictory_options_are_refused(cli: Cli) -> None:
    wrong = cli("run", *RUN, "--store", "s", "--address", "auto")
    assert "add --engine ray" in wrong.stderr
    both = cli("run", *RUN, "--store", "s", "--engine", "ray", "--address", "auto", "--workers", "2")
    assert "a Ray cluster (--address) uses its own: leave out --workers" in both.stderr


def test_an_unreachable_cluster_is_an_error() -> None:
    from restorebench.benchmark.run.ray_pool import RayWorkers

    with pytest.raises(RequestError, match=r"Ray cannot be reached at 127\.0\.0\.1:1"), RayWorkers("127.0.0.1:1"):
        pass
