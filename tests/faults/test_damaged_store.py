"""A file of a store is either intact or reported as damaged, and a run makes a damaged file again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import restorebench as rb
from restorebench.benchmark.audio import read
from restorebench.benchmark.core.atomic import LEFT_OVER_S, open_atomic, write_atomic
from restorebench.benchmark.core.progress import silent
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.errors import MAY_PASS, RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.store.checked import Damaged
from restorebench.benchmark.store.store import SCHEMA, Store, read_table
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import FloatArray, Record
from tests.tiny import FOLDER_SUITE


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load_suite("demo"), ["unprocessed", "target"], ["lsd"], limit=2)


@pytest.fixture(scope="module")
def finished_store(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return execute(plan, tmp_path_factory.mktemp("made") / "s", workers=1).root


@pytest.fixture
def store(finished_store: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(finished_store, tmp_path / "s"))


def test_a_flipped_byte_of_a_score_unit_is_found(store: Store) -> None:
    """Every third byte is flipped. In an earlier version, 1.8 % of these flips changed a number unnoticed."""
    path = next((store.root / "scores").glob("*.parquet"))
    whole, wanted = path.read_bytes(), read_table(path, SCHEMA)
    unnoticed = []
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            if not read_table(path, SCHEMA).equals(wanted):
                unnoticed.append(position)
        except Damaged:
            pass
    assert not unnoticed


def test_a_flipped_byte_of_a_note_and_a_truncated_plan_are_found(store: Store, plan: Plan) -> None:
    path = store.root / "pairs" / f"{plan.trials[0].key}.json"
    whole, wanted = path.read_bytes(), store.note("pairs", plan.trials[0].key)
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1 :])
        assert store.note("pairs", plan.trials[0].key) in (None, wanted)
    [plan_file] = (store.root / "plans").glob("[!.]*.json")
    plan_file.write_bytes(plan_file.read_bytes()[:-100])
    with pytest.raises(RequestError, match=r"\.json: is damaged .*; remove the file and run the suite again"):
        store.plans()


def test_a_damaged_unit_is_named_and_measured_again(store: Store, plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    before = (store.root / "records.csv").read_bytes()
    path = next((store.root / "scores").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(RequestError, match=r"parquet: is damaged .*; run the suite again"):
        store.table("scores")
    execute(plan, store.root, workers=1)
    assert f"{path.name}: is damaged" in caplog.text
    assert (store.root / "records.csv").read_bytes() == before


def test_restored_audio_that_was_damaged_is_made_again(tmp_path: Path) -> None:
    plan = make_plan(load_suite("demo"), ["spectral-gate"], ["lsd"], limit=1)
    store = Store(execute(plan, tmp_path / "s", workers=1).root)
    before = (store.root / "records.csv").read_bytes()
    store.sound("restored", f"{plan.jobs[0].key}.wav").write_bytes(b"RIFF, and then nothing")
    store.drop_failures("scores", store.outcomes())
    for path in (store.root / "scores").glob("*.parquet"):
        path.unlink()
    execute(plan, store.root, workers=1, retry_failed=True)
    assert (store.root / "records.csv").read_bytes() == before


def test_damaged_audio_is_made_again_on_request(store: Store, plan: Plan) -> None:
    before = (store.root / "records.csv").read_bytes()
    path = store.sound("pairs", f"{plan.trials[0].key}.degraded.flac")
    path.write_bytes(store.sound("pairs", f"{plan.trials[1].key}.degraded.flac").read_bytes())
    execute(plan, store.root, workers=1, retry_failed=True)
    store.drop_failures("scores", store.outcomes())
    execute(plan, store.root, workers=1)
    assert (store.root / "records.csv").read_bytes() == before


def test_a_temporary_failure_is_tried_again(store: Store, plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    """A killed worker, exhausted memory and files that are absent for a minute cause temporary failures."""
    before = (store.root / "records.csv").read_bytes()
    rows = [Record(**row) for row in store.table("scores").to_pylist()]
    temporary = replace(rows[0], value=None, components="{}", why=f"no input: {MAY_PASS}a.wav: there is no such file")
    lasting = replace(rows[1], value=None, components="{}", why="digital silence")
    for path in (store.root / "scores").glob("*.parquet"):
        path.unlink()
    store.put("scores", [temporary, lasting, *rows[2:]])
    execute(plan, store.root, workers=1)
    assert "1 failures of an earlier run are tried again" in caplog.text
    reasons = {row["key"]: row["why"] for row in store.table("scores").to_pylist()}
    assert reasons[temporary.key] == ""
    assert reasons[lasting.key] == "digital silence"
    execute(plan, store.root, workers=1, retry_failed=True)
    assert (store.root / "records.csv").read_bytes() == before


def test_one_absent_value_of_a_metric_is_tried_again(tmp_path: Path) -> None:
    """The values of a metric share one key; only the first value is absent."""
    plan = make_plan(load_suite("demo"), ["unprocessed"], ["dnsmos"], limit=1)
    store = Store(execute(plan, tmp_path / "s", workers=1).root)
    before = (store.root / "records.csv").read_bytes()
    rows = [Record(**row) for row in store.table("scores").to_pylist()]
    first = min(rows, key=lambda row: row.value_name)
    assert {row.key for row in rows} == {first.key}
    assert len(rows) > 1
    for path in (store.root / "scores").glob("*.parquet"):
        path.unlink()
    second = min((row for row in rows if row is not first), key=lambda row: row.value_name)
    whys = (f"{MAY_PASS}a.wav: there is no such file", "digital silence")
    for one, other in (whys, reversed(whys)):
        absent = [replace(row, value=None, components="{}", why=why) for row, why in ((first, one), (second, other))]
        store.put("scores", [*absent, *(row for row in rows if row not in (first, second))])
        assert store.outcomes()[first.key] == set(whys)
        execute(plan, store.root, workers=1)
        assert (store.root / "records.csv").read_bytes() == before


def test_a_number_beside_a_failure_is_not_measured_again(store: Store, plan: Plan) -> None:
    """One unit has a failure of a value, another unit has its number, as after stores were copied together."""
    before = (store.root / "records.csv").read_bytes()
    first, *_, last = [Record(**row) for row in store.table("scores").to_pylist()]
    store.put("scores", [replace(first, value=None, components="{}", why=f"{MAY_PASS}out of memory"), last])
    totals: dict[str, int] = {}

    def record(stage: str, total: int, steps: Iterator[int]) -> None:
        totals[stage] = total
        silent(stage, total, steps)

    execute(plan, store.root, workers=1, progress=record)
    assert totals["score"] == 0
    assert (store.root / "records.csv").read_bytes() == before


def test_no_unit_is_removed_when_no_file_can_be_opened(store: Store) -> None:
    """With no file descriptor left, no file can be opened; all units are still there afterwards."""
    code = (
        "import resource, sys, pathlib\n"
        "from restorebench.benchmark.store.store import Store\n"
        "store = Store(pathlib.Path(sys.argv[1]))\n"
        "store.table('scores')\n"
        "units = list(store._units('scores'))\n"
        "store._units = lambda rows: units\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 4096))\n"
        "try:\n"
        "    store.drop_damaged()\n"
        "except OSError as error:\n"
        "    sys.exit(7)\n"
    )
    before = sorted((store.root / "scores").iterdir())
    done = subprocess.run([sys.executable, "-c", code, str(store.root)], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert sorted((store.root / "scores").iterdir()) == before


def test_an_absent_file_is_scored_once_it_is_back(tmp_path: Path) -> None:
    speech = tmp_path / "speech"
    speech.mkdir()
    shutil.copy(BUNDLE / "slt_04.flac", speech / "a.flac")
    (tmp_path / "s.toml").write_text(FOLDER_SUITE)
    plan = make_plan(load_suite(str(tmp_path / "s.toml")))
    (speech / "a.flac").rename(tmp_path / "away.flac")
    store = execute(plan, tmp_path / "s", workers=1)
    assert all(MAY_PASS in row["why"] for row in store.table("scores").to_pylist())
    (tmp_path / "away.flac").rename(speech / "a.flac")
    execute(plan, tmp_path / "s", workers=1)
    assert all(row["value"] is not None for row in store.table("scores").to_pylist())


def test_a_function_that_finds_no_weights_for_a_clip_fails_on_that_clip_alone(tmp_path: Path) -> None:
    clip = read(BUNDLE / "hibari_41.flac")
    length = round(clip.seconds * 16_000)

    def fails_on_one_clip(samples: FloatArray, rate: int) -> FloatArray:
        if abs(len(samples) - length) < 2:
            raise FileNotFoundError("weights.bin")
        return samples

    results = rb.evaluate({"away": fails_on_one_clip}, "demo", store=tmp_path, metrics=["lsd"], limit=2, workers=1)
    rows = results.records[results.records["system"] == "away"]
    assert sorted(rows["value"].isna()) == [False, True]


def test_the_latest_plan_is_the_last_one_that_ran(store: Store) -> None:
    """The modification times of the files do not matter: a clock may be wrong, and a copy changes them."""
    other = make_plan(load_suite("demo"), ["unprocessed"], ["lsd"], limit=1)
    store.put_plan(other)
    for index, path in enumerate(sorted((store.root / "plans").glob("[!.]*.json"))):
        os.utime(path, (index * 1e6, index * 1e6))
    assert len(store.plans()[0].trials) == 1
    store.put_plan(make_plan(load_suite("demo"), ["unprocessed"], ["lsd"], limit=2))
    assert len(store.plans()[0].trials) == 2


def test_concurrent_runs_keep_the_systems_of_all(tmp_path: Path) -> None:
    suite = load_suite("demo")
    names = ["unprocessed", "target", "spectral-gate", "rnnoise", "wpe", "dtln"]
    whole = make_plan(suite, ["unprocessed"], ["lsd"], limit=1)
    plans = [replace(whole, system_cards={name: whole.system_cards["unprocessed"]}, jobs=()) for name in names]
    threads = [threading.Thread(target=Store(tmp_path).put_plan, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [merged] = Store(tmp_path).plans()
    assert sorted(merged.system_cards) == sorted(names)


def test_two_writers_of_one_file_have_different_temporary_files(tmp_path: Path) -> None:
    """The names are random, since processes in two containers may have the same process id."""
    with open_atomic(tmp_path / "x") as first, open_atomic(tmp_path / "x") as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "x").read_text() in ("1", "2")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_old_temporary_files_are_removed_and_young_ones_stay(store: Store, plan: Plan) -> None:
    old, young = store.root / "scores" / ".aa.part", store.root / "scores" / ".bb.part"
    for path in (old, young):
        write_atomic(path, b"")
    long_ago = time.time() - LEFT_OVER_S - 60
    os.utime(old, (long_ago, long_ago))
    execute(plan, store.root, workers=1)
    assert not old.exists()
    assert young.exists()


def test_a_store_without_checksums_can_be_opened(store: Store, plan: Plan) -> None:
    """Notes and plans of an earlier version, without a checksum, are read unchecked."""
    note = store.root / "pairs" / f"{plan.trials[0].key}.json"
    note.write_text(json.dumps(store.note("pairs", plan.trials[0].key)))
    [path] = (store.root / "plans").glob("[!.]*.json")
    path.write_text(store.plans()[0].to_json())
    (store.root / "plans" / "order.txt").unlink()
    assert store.note("pairs", plan.trials[0].key)
    assert store.plans()[0].trials == plan.trials
