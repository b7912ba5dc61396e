"""`log` writes the board's values with their training step to trackers; the tests read each tracker's files back."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import restorebench as rb
from restorebench.benchmark.analysis.board import board
from restorebench.benchmark.store.store import Store, plan_of
from restorebench.reports.trackers.runs import TrackedRun, tracked_runs, values_of
from tests.conftest import Cli, add_package
from tests.tiny import random_checkpoint


def mlflow_points(folder: Path) -> Iterator[tuple[int, float]]:
    for path in folder.glob("*/*/metrics/voicefixer/lsd"):
        for line in path.read_text().splitlines():
            _, value, step = line.split()
            yield int(step), float(value)


def trackio_points(folder: Path) -> Iterator[tuple[int, float]]:
    with sqlite3.connect(folder / "demo.db") as database:
        for step, metrics in database.execute("select step, metrics from metrics"):
            yield step, json.loads(metrics)["voicefixer/lsd"]


def wandb_points(folder: Path) -> Iterator[tuple[int, float]]:
    """Protobuf records; numbers in them are JSON."""
    for path in folder.glob("wandb/offline-run-*/*.wandb"):
        content = path.read_bytes()
        values = re.findall(rb"voicefixer/lsd[^\w@.]{1,6}(-?\d[\d.e-]*)", content)
        steps = re.findall(rb"_step[^\d]{1,6}(\d+)", content)
        yield from dict.fromkeys(zip(map(int, steps), map(float, values), strict=False))


POINT_READERS = {"mlflow": mlflow_points, "trackio": trackio_points, "wandb": wandb_points}


@pytest.fixture
def store(cli: Cli, tmp_path: Path) -> Path:
    """A store with a system at two steps of training, and one without a step."""
    for step in (3, 7):
        random_checkpoint(tmp_path / f"part-{step}.safetensors")
    done = cli(
        "run", "demo", "--systems", "unprocessed,masksr", "--checkpoints", "part-*.safetensors", "--metrics", "lsd",
        "--limit", "2", "--store", "s",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tmp_path / "s"


def runs(store: Path) -> list[TrackedRun]:
    return tracked_runs(board(plan_of(Store(store)), Store(store)))


def test_tensorboard_has_the_boards_values_at_their_steps(store: Path, cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # a second log replaces the first
        done = cli("log", "s", "--to", "tensorboard")
        assert done.returncode == 0, done.stderr
    wanted = {run.name: [point.values["voicefixer/lsd"] for point in run.points] for run in runs(store)}
    means = rb.open_results(store).scores.groupby("system")["value"].mean()
    assert wanted["unprocessed"] == pytest.approx([means["unprocessed"]])
    folders = sorted((tmp_path / "logs" / "tensorboard" / "demo").iterdir())
    assert len(folders) == 2
    for folder in folders:
        events = EventAccumulator(str(folder)).Reload()
        scalars = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
        steps = [event.step for event in scalars["voicefixer/lsd"]]
        assert steps == ([3, 7] if folder.name.startswith("masksr") else [0])
        shown = [event.value for event in scalars["voicefixer/lsd"]]
        assert shown == pytest.approx(wanted["unprocessed" if steps == [0] else "masksr@part-#.safetensors"], rel=1e-6)
        low, high = (scalars[f"voicefixer/lsd.{end}"][-1].value for end in ("low", "high"))
        assert low < shown[-1] < high


def test_a_mean_with_missing_values_says_how_many_are_missing(store: Path) -> None:
    demo_board = board(plan_of(Store(store)), Store(store))
    [cell] = [cell for cell in demo_board.cells if (cell.system, cell.value_name) == ("unprocessed", "lsd")]
    for changed, wanted in (
        (cell, {"voicefixer/lsd": cell.value, "voicefixer/lsd.low": cell.low, "voicefixer/lsd.high": cell.high}),
        (replace(cell, n=1, low=None, high=None), {"voicefixer/lsd": cell.value}),
        (replace(cell, n=0, value=None, low=None, high=None), {}),
    ):
        tracked = values_of(replace(demo_board, cells=(changed,)), "unprocessed")
        assert tracked.pop("voicefixer/lsd.missing") == 2 - changed.n
        assert tracked == {name: number for name, number in wanted.items() if number is not None}


def test_an_unknown_tracker_is_named_before_anything_is_written(store: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("log", "s", "--to", "tensorboard,wandbb")
    assert done.returncode == 2
    assert "did you mean wandb" in done.stderr
    assert "--to names no tracker" in cli("log", "s", "--to", "").stderr
    assert not (tmp_path / "logs").exists()


@pytest.mark.environments
@pytest.mark.parametrize(("name", "package"), [("mlflow", "mlflow-skinny"), ("wandb", "wandb"), ("trackio", "trackio")])
def test_other_trackers_hold_the_values(store: Path, cli: Cli, tmp_path: Path, name: str, package: str) -> None:
    add_package(package, tmp_path / "packages")
    done = cli("log", "s", "--to", name, env={"PYTHONPATH": str(tmp_path / "packages")})
    assert done.returncode == 0, done.stderr
    wanted = sorted((point.step, point.values["voicefixer/lsd"]) for run in runs(store) for point in run.points)
    assert [step for step, _ in wanted] == [0, 3, 7]
    points = sorted(POINT_READERS[name](tmp_path / "logs" / name))
    assert [step for step, _ in points] == [0, 3, 7]
    assert [value for _, value in points] == pytest.approx([value for _, value in wanted], rel=1e-9)
