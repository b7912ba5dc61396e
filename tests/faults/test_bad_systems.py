"""Systems and metrics that misbehave: their clip becomes a recorded failure, and every other result is kept."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import soundfile

from restorebench.benchmark.data.locations import BUNDLE
from tests.conftest import Cli

EXPECTED_REASONS = {
    "toy-short": "samples at 16000 Hz for",
    "toy-raises": "RuntimeError: this model always fails",
    "toy-nan": "1 of .* samples are NaN or infinite",
    "toy-odd": "AttributeError",
    "toy-dies": "the worker process died",
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, toy_plugin: dict[str, str]) -> tuple[pd.DataFrame, Path, str]:
    import os
    import subprocess

    from tests.conftest import COMMAND

    folder = tmp_path_factory.mktemp("faulty")
    systems = ",".join(["unprocessed", *EXPECTED_REASONS, "toy-moody", "toy-allergic", "target"])
    done = subprocess.run(
        [COMMAND, "run", "toy", "--systems", systems, "--metrics", "si_sdr,toy-peak", "--store", folder, "--format=md"],
        env={**os.environ, **toy_plugin}, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return pd.read_csv(folder / "records.csv", keep_default_na=False), folder, done.stdout


@pytest.mark.parametrize("system", sorted(EXPECTED_REASONS))
def test_every_clip_of_a_failing_system_is_a_recorded_failure(
    faulty: tuple[pd.DataFrame, Path, str], system: str
) -> None:
    rows = faulty[0][faulty[0]["system"] == system]
    assert len(rows) == 4 * 2
    assert (rows["value"] == "").all()
    assert rows["why"].str.contains(EXPECTED_REASONS[system]).all(), rows["why"].unique()
    assert not rows["why"].str.contains("\n").any()


def test_anchors_keep_all_scores(faulty: tuple[pd.DataFrame, Path, str]) -> None:
    for system in ("unprocessed", "target"):
        assert (faulty[0][faulty[0]["system"] == system]["value"] != "").sum() == 8


@pytest.mark.parametrize(
    ("system", "why"),
    [("toy-moody", "ValueError: too long for me"), ("toy-allergic", "may pass: the worker process died")],
)
def test_a_batch_loses_only_the_clips_that_fail(faulty: tuple[pd.DataFrame, Path, str], system: str, why: str) -> None:
    """Both systems fail on clips longer than 2.5 s."""
    rows = faulty[0][(faulty[0]["system"] == system) & (faulty[0]["metric"] == "si_sdr")]
    failed = rows[rows["why"] != ""]
    seconds = {clip: soundfile.info(BUNDLE / f"{clip}.flac").duration for clip in rows["utterance"]}
    assert set(failed["utterance"]) == {clip for clip in seconds if seconds[clip] > 2.5}
    assert 0 < len(failed) < 4
    assert failed["why"].str.startswith(why).all()


def test_the_board_counts_and_explains_missing_values(faulty: tuple[pd.DataFrame, Path, str]) -> None:
    board = faulty[2]
    assert "| toy-nan | – (n=0/4) |" in board
    assert "(n=2/4)" in board or "(n=3/4)" in board or "(n=1/4)" in board
    assert "no value: toy-raises: RuntimeError: this model always fails:" in board


def test_a_metric_that_raises_on_a_clip_loses_only_that_value(
    cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]
) -> None:
    done = cli("run", "toy", "--systems", "unprocessed,target", "--metrics", "toy-crash,toy-peak", "--store", "s",
               env=toy_plugin)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "s" / "records.csv", keep_default_na=False)
    crash = rows[rows["metric"] == "toy-crash"]
    assert set(crash["why"]) == {"", "ValueError: too loud"}
    assert (rows[rows["metric"] == "toy-peak"]["why"] == "").all()


def test_retry_failed_repeats_failed_restorations(cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]) -> None:
    arguments = ("run", "toy", "--systems", "toy-raises,target", "--metrics", "toy-peak", "--store", "s")
    cli(*arguments, env=toy_plugin)
    again = cli(*arguments, env=toy_plugin)
    assert "restore:" not in again.stderr
    retried = cli(*arguments, "--retry-failed", env=toy_plugin)
    assert "restore: 4/4" in retried.stderr
    assert len(pd.read_csv(tmp_path / "s" / "records.csv")) == 8


def test_a_stochastic_system_is_scored_once_per_seed(cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]) -> None:
    done = cli("run", "toy", "--store", "s", env=toy_plugin)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "s" / "records.csv")
    echo = rows[(rows["system"] == "toy-echo") & (rows["metric"] == "si_sdr")]
    assert len(echo) == 8
    assert sorted(echo["seed"].unique()) == [0, 1]
    assert echo["value"].nunique() == 8
    assert set(rows[rows["system"] == "target"]["seed"]) == {0}


def test_a_component_without_its_package_fails_at_plan_time(cli: Cli, toy_plugin: dict[str, str]) -> None:
    done = cli("run", "toy", "--systems", "toy-heavy", "--store", "s", env=toy_plugin)
    assert done.returncode == 2
    assert "needs no-such-package, not installed; run: pip install no-such-package" in done.stderr
