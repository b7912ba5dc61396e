"""Laws of the engine, tested with real processes.

Every split of a run gives the same records, and finished results are kept.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from restorebench.benchmark.data.locations import BUNDLE
from tests.conftest import COMMAND, ROOT, Cli

SYSTEMS = "unprocessed,spectral-gate,wpe,target"
METRICS = "lsd,lsd@active,si_sdr,stoi,rtf"
RUN = ("run", "demo", "--systems", SYSTEMS, "--metrics", METRICS, "--limit", "6", "--format", "csv")


def records(store: Path) -> bytes:
    return (store / "records.csv").read_bytes()


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("one") / "store"
    subprocess.run([COMMAND, *RUN, "--store", store, "--workers", "1"], check=True, capture_output=True, timeout=300)
    return store


def test_four_workers_give_the_same_bytes_as_one(cli: Cli, tmp_path: Path, one_worker: Path) -> None:
    done = cli(*RUN, "--store", "store", "--workers", "4")
    assert done.returncode == 0, done.stderr
    assert records(tmp_path / "store") == records(one_worker)


def test_order_of_systems_and_metrics_changes_no_byte(cli: Cli, tmp_path: Path, one_worker: Path) -> None:
    backwards = [",".join(reversed(names.split(","))) for names in (SYSTEMS, METRICS)]
    cli("run", "demo", "--systems", backwards[0], "--metrics", backwards[1], "--limit", "6", "--store", "store")
    assert records(tmp_path / "store") == records(one_worker)


def test_runs_of_single_systems_and_metrics_give_the_same_records(cli: Cli, tmp_path: Path, one_worker: Path) -> None:
    for system in SYSTEMS.split(","):
        cli("run", "demo", "--systems", system, "--metrics", "si_sdr", "--limit", "6", "--store", "store")
    done = cli(*RUN, "--store", "store")
    assert records(tmp_path / "store") == records(one_worker)
    assert len(pd.read_csv(pd.io.common.StringIO(done.stdout))) == 4 * 4 + 2


def test_timings_are_kept_apart(one_worker: Path) -> None:
    assert "rtf" not in set(pd.read_csv(one_worker / "records.csv")["metric"])
    timings = pd.read_csv(one_worker / "timings.csv")
    assert set(timings["system"]) == {"spectral-gate", "wpe"}
    assert (timings["value"] > 0).all()


def test_a_second_run_computes_nothing(cli: Cli, one_worker: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for kind in ("pairs", "restored", "scores")
                    for path in (one_worker / kind).iterdir())  # fmt: skip
    done = cli(*RUN, "--store", one_worker)
    after = sorted((path, path.stat().st_mtime_ns) for kind in ("pairs", "restored", "scores")
                   for path in (one_worker / kind).iterdir())  # fmt: skip
    assert done.returncode == 0
    assert after == before
    assert "score:" not in done.stderr


def run_and_signal(store: Path, stage: str, sent: signal.Signals) -> tuple[int, str]:
    """Starts a run, signals it and its workers after a stage, and returns its exit code and its last error output."""
    with subprocess.Popen(
        [COMMAND, *RUN, "--store", store], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(f"{stage}: "):
                os.killpg(process.pid, sent)
                if sent is signal.SIGINT:  # an impatient user interrupts twice
                    time.sleep(0.2)
                    os.killpg(process.pid, sent)
                break
        errors = process.stderr.read()
        process.wait(timeout=120)
    return process.returncode, errors


def processes_of_session(session_id: int) -> list[int]:
    """Ids of the processes of a session that are still running."""
    process_ids = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # the process has ended meanwhile
        if int(fields[3]) == session_id and fields[0] != "Z":
            process_ids.append(int(status.parent.name))
    return process_ids


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """Only the parent is killed, as by an out-of-memory killer or a scheduler, not the whole process group."""
    with subprocess.Popen(
        [COMMAND, *RUN, "--store", tmp_path / "store", "--workers", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("degrade: "))
        assert len(processes_of_session(process.pid)) > 1
        process.kill()
        process.wait()
    deadline = time.monotonic() + 60
    while processes_of_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not processes_of_session(process.pid)


@pytest.mark.parametrize("stage", ["degrade", "restore"])
def test_a_run_after_a_kill_gives_the_same_bytes(tmp_path: Path, one_worker: Path, cli: Cli, stage: str) -> None:
    """The run and its workers are killed after the stage; a second run finishes with the same bytes."""
    code, _ = run_and_signal(tmp_path / "store", stage, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (tmp_path / "store" / "records.csv").exists()
    done = cli(*RUN, "--store", "store")
    assert done.returncode == 0, done.stderr
    assert f"{stage}:" not in done.stderr, "a finished stage was computed again"
    assert records(tmp_path / "store") == records(one_worker)


def test_part_files_of_a_killed_process_are_not_read_and_old_ones_are_removed(
    cli: Cli, tmp_path: Path, one_worker: Path
) -> None:
    """A part file of today may belong to a run that is writing it."""
    shutil.copytree(one_worker, tmp_path / "s")
    old = tmp_path / "s" / "scores" / ".0123456789abcdef.part"
    new = tmp_path / "s" / "restored" / ".fedcba9876543210.part"
    old.write_bytes(b"PAR1")
    new.write_text("{")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    assert cli(*RUN, "--store", "s").returncode == 0
    assert records(tmp_path / "s") == records(one_worker)
    assert new.exists()
    assert not old.exists()


def test_provenance_names_versions_and_cores(one_worker: Path) -> None:
    facts = json.loads((one_worker / "provenance.json").read_text())
    assert {"restorebench", "numpy", "scipy"} <= set(facts["versions"])
    assert facts["cores"] >= 1


def test_plan_counts_what_is_cached(cli: Cli, one_worker: Path) -> None:
    fresh = cli("plan", *RUN[1:])
    cached = cli("plan", *RUN[1:], "--store", one_worker)
    assert "lsd,score,24,0,24," in fresh.stdout
    assert "lsd,score,24,24,0,0" in cached.stdout


@pytest.mark.parametrize(("sent", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_store_that_the_next_run_continues(
    tmp_path: Path, one_worker: Path, cli: Cli, sent: signal.Signals, exit_code: int
) -> None:
    code, errors = run_and_signal(tmp_path / "store", "degrade", sent)
    assert code == exit_code
    assert errors.splitlines()[-1] == "restorebench: stopped; run the same command again to go on"
    assert "Traceback" not in errors
    assert cli(*RUN, "--store", "store").returncode == 0
    assert records(tmp_path / "store") == records(one_worker)


SUITE = """
name = "mine"
version = 1
summary = "x"
metrics = ["wer@pocketsphinx"]
systems = ["target"]
[corpus]
reader = "folder"
options = {{ path = "{folder}", texts = "{folder}/texts.csv" }}
[[condition]]
name = "noise"
corruption = "noise"
options = {{ noise = "pink", snr_db = 40 }}
"""


def test_a_corrected_transcript_is_scored_again(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(BUNDLE / "kal16_01.flac", folder / "a.flac")
    (tmp_path / "mine.toml").write_text(SUITE.format(folder=folder))
    word_error_rates = []
    for text in ("one two three four five six seven eight", "the birch canoe slid on the smooth planks"):
        (folder / "texts.csv").write_text(f"id,text\na,{text}\n")
        done = cli("run", "mine.toml", "--store", "s", "--format", "csv")
        assert done.returncode == 0, done.stderr
        [row] = [r for r in csv.DictReader(io.StringIO(done.stdout)) if r["value_name"] == "wer@pocketsphinx"]
        word_error_rates.append(float(row["value"]))
    assert word_error_rates[0] >= 100 > 60 > word_error_rates[1]


def test_equal_clips_with_two_names_keep_two_rows(cli: Cli, tmp_path: Path) -> None:
    """The same bytes under two ids: sounds may be shared, records may not."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(BUNDLE / "kal16_01.flac", folder / f"{name}.flac")
    (tmp_path / "mine.toml").write_text(
        SUITE.format(folder=folder).replace('corruption = "noise"', 'corruption = "clipping"')
        .replace('noise = "pink", snr_db = 40', "ratio = 0.5").replace(f', texts = "{folder}/texts.csv"', "")
    )  # fmt: skip
    done = cli("run", "mine.toml", "--metrics", "si_sdr", "--store", "s", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "s" / "records.csv")
    assert sorted(rows["utterance"]) == ["a", "b"]


def test_a_run_needs_no_fcntl(cli: Cli, tmp_path: Path) -> None:
    """As on Windows: the module is hidden in every process."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text("import sys\nsys.modules['fcntl'] = None\n")
    path = os.pathsep.join([str(tmp_path / "hidden"), *filter(None, [os.environ.get("PYTHONPATH")])])
    arguments = ("run", "demo", "--systems", "unprocessed,spectral-gate,target", "--metrics", "lsd", "--limit", "1")
    done = cli(*arguments, "--store", "s", "--format", "csv", env={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 3


def test_only_one_module_creates_worker_pools() -> None:
    """Only `pool.py` creates pools of worker processes; its workers end when their parent has ended."""
    sources = [path for folder in ("benchmark", "corruptions", "metrics", "reports", "systems")
               for path in (ROOT / folder).rglob("*.py")]  # fmt: skip
    creating_files = [
        p.name
        for p in sources
        if re.search(r"\b(ProcessPoolExecutor|multiprocessing\.Pool)\(", p.read_text(encoding="utf-8"))
    ]
    assert creating_files == ["pool.py"]
