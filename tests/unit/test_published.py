"""Outputs that were made elsewhere appear on the board of any suite, with the scores of outputs made here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from restorebench.benchmark.audio import read, write_float
from restorebench.benchmark.components import system_of
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.folders import degrade
from restorebench.benchmark.folders.restore import restore_files
from restorebench.benchmark.plan.planner import make_plan, trials_of
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Audio


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of spectral gating for the demo's first two clips, in the folders that `degrade` and `restore` write."""
    folder = tmp_path_factory.mktemp("set")
    degrade.write(list(trials_of(load_suite("demo"), 2)), folder / "set", workers=1)
    done, faults = restore_files(folder / "set" / "degraded", folder / "out", "spectral-gate")
    assert (done, faults) == (2, [])
    return folder / "out"


def test_published_outputs_score_like_outputs_made_here(outputs: Path, tmp_path: Path) -> None:
    name = f"published:Theirs@{outputs}"
    plan = make_plan(load_suite("demo"), ["spectral-gate", name], ["lsd", "si_sdr"], limit=2)
    store = execute(plan, tmp_path / "s", workers=1)
    records = store.table("scores").to_pandas()
    assert (records["why"] == "").all()
    scores: dict[str, pd.Series[float]] = {
        str(system): rows.set_index(["utterance", "value_name"])["value"] for system, rows in records.groupby("system")
    }
    assert scores[name].to_dict() == pytest.approx(scores["spectral-gate"].to_dict(), abs=1e-3)
    keys_before = {job.key for job in plan.jobs if job.system == name}
    path = next(outputs.rglob("*.wav"))
    audio = read(path)
    write_float(path, Audio(audio.samples[::-1].copy(), audio.rate))
    changed_plan = make_plan(load_suite("demo"), [name], ["lsd"], limit=2)
    assert len(keys_before & {job.key for job in changed_plan.jobs}) == 1, (
        "a changed file changes the key of its own job"
    )


def test_a_missing_output_is_a_failure_not_a_smaller_table(outputs: Path, tmp_path: Path) -> None:
    incomplete = Path(shutil.copytree(outputs, tmp_path / "few"))
    next(incomplete.rglob("*.wav")).unlink()
    plan = make_plan(load_suite("demo"), [f"published:{incomplete}"], ["lsd"], limit=2)
    records = execute(plan, tmp_path / "s", workers=1).table("scores").to_pandas()
    assert sorted(records["why"] == "") == [False, True]
    assert "published no output for this clip" in " ".join(records["why"])


def test_names_and_folders_without_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"is no folder; wanted one with CONDITION/ID\.wav"):
        system_of(f"published:X@{tmp_path / 'nowhere'}")
    with pytest.raises(RequestError, match="wanted a name, and a folder after @"):
        system_of("published:.hidden")
    with pytest.raises(RequestError, match="has no sound for any clip of demo"):
        make_plan(load_suite("demo"), [f"published:X@{tmp_path}"], ["lsd"], limit=1)
