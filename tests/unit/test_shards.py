"""Runs in parts on several machines, and the merge of their stores."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.shard import WHOLE, Shard
from restorebench.benchmark.store.checked import sealed, unsealed
from restorebench.benchmark.store.merge import merge
from restorebench.benchmark.store.store import Store
from tests.conftest import COMMAND, ROOT, Cli

RUN = ("run", "demo", "--systems", "unprocessed,spectral-gate,target", "--metrics", "si_sdr,rtf", "--limit", "6")
README = ROOT / "benchmark" / "README.md"


@given(count=st.integers(1, 20), keys=st.lists(st.text(min_size=1), max_size=50))
def test_every_clip_is_in_exactly_one_shard(count: int, keys: list[str]) -> None:
    parts = [Shard(number, count) for number in range(1, count + 1)]
    assert all(sum(part.holds(key) for part in parts) == 1 for key in keys)
    assert all(WHOLE.holds(key) for key in keys)


def test_shards_are_about_equally_large() -> None:
    parts = [Shard(number, 8) for number in range(1, 9)]
    sizes = Counter(part.number for key in range(8000) for part in parts if part.holds(str(key)))
    assert min(sizes.values()) > 880  # 4 standard deviations below 1000
    assert max(sizes.values()) < 1120


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", ""])
def test_malformed_shards_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="wanted NUMBER/COUNT"):
        Shard.parse(text)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run([str(COMMAND), *RUN, "--store", "s"], cwd=folder, check=True, capture_output=True)
    return folder / "s"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    for number in (1, 2):
        command = [str(COMMAND), *RUN, "--store", str(number), "--shard", f"{number}/2"]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        assert re.search(rf"shard {number}/2: [1-5] of 6 clips", done.stderr), done.stderr
    return [folder / "1", folder / "2"]


def test_merged_shards_are_the_whole_run(whole: Path, parts: list[Path], cli: Cli, tmp_path: Path) -> None:
    done = cli("store", "merge", *parts, "--out", "merged")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "merged" / "records.csv").read_bytes() == (whole / "records.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "merged" / "timings.csv")) == len(pd.read_csv(whole / "timings.csv")) == 6
    again = cli(*RUN, "--store", "merged")
    assert "restore:" not in again.stderr
    assert "score:" not in again.stderr
    assert "planned but not measured" not in again.stdout


def test_the_board_of_a_single_shard_says_that_values_are_missing(parts: list[Path], cli: Cli) -> None:
    assert "values are planned but not measured" in cli("board", parts[0]).stdout


def test_merging_twice_changes_nothing(parts: list[Path], tmp_path: Path) -> None:
    merge(parts, tmp_path / "m")
    before = {path: path.read_bytes() for path in sorted((tmp_path / "m").rglob("*.*")) if path.is_file()}
    merge(list(reversed(parts)), tmp_path / "m")
    assert {path: path.read_bytes() for path in sorted((tmp_path / "m").rglob("*.*")) if path.is_file()} == before


def test_a_merge_prefers_a_result_to_a_failure(whole: Path, tmp_path: Path, toy_plugin: dict[str, str]) -> None:
    """One machine could not compute the values, another machine could."""
    failed = tmp_path / "failed"
    shutil.copytree(whole, failed)
    store = Store(failed)
    rows = store.table("scores").to_pylist()
    for path in (failed / "scores").glob("*.parquet"):
        path.unlink()
    from restorebench.benchmark.types import Record

    for row in rows:
        store.put("scores", [Record(**{**row, "value": None, "why": "out of memory", "components": "{}"})])
    for order in ([failed, whole], [whole, failed]):
        merged = merge(order, tmp_path / order[0].name / "m")
        assert set(merged.table("scores")["why"].to_pylist()) == {""}
        assert merged.table("scores").equals(Store(whole).table("scores"))


def test_damaged_units_are_left_out(whole: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "torn"
    shutil.copytree(whole, damaged)
    scores_file, note_file = next((damaged / "scores").glob("*.parquet")), next((damaged / "restored").glob("*.json"))
    scores_file.write_bytes(scores_file.read_bytes()[:-20])
    note_file.write_bytes(note_file.read_bytes()[:-2] + b"x}")
    merged = merge([damaged], tmp_path / "m")
    assert not (merged.root / "scores" / scores_file.name).exists()
    assert not (merged.root / "restored" / note_file.name).exists()
    assert len(merged.table("scores")) < len(Store(whole).table("scores"))


def test_stores_of_different_clips_or_versions_are_not_merged(whole: Path, cli: Cli, tmp_path: Path) -> None:
    fewer = [*RUN[:-1], "2", "--store", "fewer"]
    assert cli(*fewer).returncode == 0
    done = cli("store", "merge", whole, "fewer", "--out", "m")
    assert done.returncode == 2
    assert "have different clips; merge stores of one plan" in done.stderr
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    [path] = (other / "plans").glob("*.json")
    path.write_bytes(sealed(json.dumps(unsealed(path)).replace("si_sdr@1", "si_sdr@2")))
    done = cli("store", "merge", whole, "other", "--out", "m")
    assert done.returncode == 2
    assert "si_sdr is si_sdr@1" in done.stderr
    assert "run both with the same versions and weights" in done.stderr


def test_a_merge_repairs_a_damaged_target(whole: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "torn"
    shutil.copytree(whole, damaged)
    scores_file = next((damaged / "scores").glob("*.parquet"))
    scores_file.write_bytes(scores_file.read_bytes()[:-20])
    assert merge([whole], damaged).table("scores").equals(Store(whole).table("scores"))


def test_the_split_does_not_depend_on_the_location_of_files(whole: Path) -> None:
    plan = Store(whole).plans()[0]
    elsewhere = replace(plan, trials=tuple(replace(trial, key=f"{trial.key}/elsewhere") for trial in plan.trials))
    part = Shard(1, 2)
    assert [t.id for t in part.of(plan).trials] == [t.id for t in part.of(elsewhere).trials]


def test_a_merge_without_a_store_or_into_its_source_is_refused(whole: Path, cli: Cli, tmp_path: Path) -> None:
    absent = cli("store", "merge", "nowhere", "--out", "m")
    assert (absent.returncode, "no store there" in absent.stderr) == (2, True)
    itself = cli("store", "merge", whole, "--out", whole)
    assert (itself.returncode, "is one of the stores to merge" in itself.stderr) == (2, True)
    assert not (tmp_path / "m").exists()


def test_the_cluster_recipe_of_the_readme_runs(whole: Path, tmp_path: Path) -> None:
    """The job scripts are started as by SLURM: one process per task, and the merge after all tasks."""
    for name, text in re.findall(r"```sh title=(\S+)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        (tmp_path / name).write_text(text)
    options = " ".join(RUN[2:])
    env = {
        **os.environ,
        "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}",
        "SUITE": "demo",
        "OPTIONS": options,
    }
    for task in (1, 2):
        task_env = {**env, "SLURM_ARRAY_TASK_ID": str(task), "PARTS": "2", "SLURM_CPUS_PER_TASK": "1"}
        subprocess.run(["sh", "array.sh"], cwd=tmp_path, env=task_env, check=True, capture_output=True)
    subprocess.run(["sh", "merge.sh"], cwd=tmp_path, env=env, check=True, capture_output=True)
    assert (tmp_path / "results" / "records.csv").read_bytes() == (whole / "records.csv").read_bytes()
