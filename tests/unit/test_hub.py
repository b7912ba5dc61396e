"""Files for the Hugging Face Hub, read back by the Hub's own client."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from restorebench.benchmark.analysis.board import Board, board
from restorebench.benchmark.cli.options import BoardFormat, Format
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.suite import load_suite
from restorebench.reports.hub import eval_results, eval_yaml, task_ids
from tests.conftest import Cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = make_plan(load_suite("demo"), ["unprocessed", "spectral-gate", "target"], ["lsd", "rtf"])
    return execute(plan, tmp_path_factory.mktemp("hub") / "store", workers=1).root


@pytest.fixture(scope="module")
def demo_board(folder: Path) -> Board:
    from restorebench.benchmark.store.store import open_store

    [plan] = open_store(folder).plans()
    return board(plan, open_store(folder))


def test_the_hubs_client_reads_the_results_and_every_task_is_declared(demo_board: Board) -> None:
    text, left_out = eval_results(demo_board, "restore/demo", "spectral-gate")
    [entry] = parse_eval_result_entries(yaml.safe_load(text))
    [cell] = [c for c in demo_board.cells if c.system == "spectral-gate" and c.value_name == "lsd"]
    assert (entry.dataset_id, entry.value, left_out) == ("restore/demo", pytest.approx(cell.value, abs=1e-4), [])
    declared = yaml.safe_load(eval_yaml(demo_board))
    assert [task["id"] for task in declared["tasks"]] == [entry.task_id] == ["voicefixer_lsd"]
    assert entry.notes is not None
    assert "12 values, 95 % interval" in entry.notes
    assert cell.signature in entry.notes


def test_the_command_prints_both_files(cli: Cli, folder: Path) -> None:
    done = cli("board", str(folder), "--format", "hf-eval-results", "--dataset", "a/b", "--system", "spectral-gate")
    assert [entry.dataset_id for entry in parse_eval_result_entries(yaml.safe_load(done.stdout))] == ["a/b"]
    assert yaml.safe_load(cli("board", str(folder), "--format", "hf-eval-yaml").stdout)["name"] == "RestoreBench demo"
    without_dataset = cli("board", str(folder), "--format", "hf-eval-results", "--system", "spectral-gate")
    assert without_dataset.returncode == 2
    assert "--dataset '': wanted OWNER/NAME" in without_dataset.stderr
    assert "belong to --format hf-eval-results" in cli("board", str(folder), "--dataset", "a/b").stderr


def test_a_board_is_printed_in_every_format_of_tables() -> None:
    hub = {BoardFormat.hf_eval_results, BoardFormat.hf_eval_yaml}
    assert {form.value for form in set(BoardFormat) - hub} == {form.value for form in Format}


def test_a_packs_results_stay_self_reported(cli: Cli, folder: Path, tmp_path: Path) -> None:
    assert cli("submit", "pack", str(folder), "--out", "x.rbz").returncode == 0
    done = cli("board", "x.rbz", "--format", "hf-eval-results", "--dataset", "a/b", "--system", "spectral-gate")
    assert "self-reported, not measured here: x.rbz" in done.stderr


def test_conditions_that_differ_in_one_character_are_separate_tasks(demo_board: Board) -> None:
    names = [condition.name for condition in load_suite("demo-distortions").condition]
    wide = replace(
        demo_board, cells=tuple(replace(c, condition=name) for c in demo_board.cells for name in (*names, "中文"))
    )
    assert len(set(task_ids(wide).values())) == len(names) + 1


def test_the_only_row_that_is_no_anchor_is_the_model(demo_board: Board) -> None:
    cards = dict(demo_board.plan.system_cards)
    systems = {name: cards[name] for name in ("unprocessed", "spectral-gate")}
    alone = replace(demo_board, plan=replace(demo_board.plan, system_cards=systems))
    assert eval_results(alone, "a/b") == eval_results(demo_board, "a/b", "spectral-gate")
    for no_model in ("dtln", "target"):
        with pytest.raises(RequestError, match="one of spectral-gate"):
            eval_results(demo_board, "a/b", no_model)
    anchors = replace(demo_board, plan=replace(demo_board.plan, system_cards={"target": cards["target"]}))
    with pytest.raises(RequestError, match="no system but anchors"):
        eval_results(anchors, "a/b")


def test_a_mean_over_fewer_clips_is_not_listed(demo_board: Board) -> None:
    incomplete = replace(
        demo_board,
        cells=tuple(
            replace(c, n=c.n - 1, why="1 of 12 clips have no value: broke") if c.value_name == "lsd" else c
            for c in demo_board.cells
        ),
    )
    with pytest.raises(RequestError, match="no value over all clips of demo"):
        eval_results(incomplete, "a/b", "spectral-gate")
    two_conditions = replace(
        incomplete, cells=(*incomplete.cells, *(replace(c, condition="other") for c in demo_board.cells))
    )
    text, left_out = eval_results(two_conditions, "a/b", "spectral-gate")
    assert [entry.task_id for entry in parse_eval_result_entries(yaml.safe_load(text))] == ["other_lsd"]
    assert left_out == ["voicefixer, lsd: 1 of 12 clips have no value: broke"]


def test_a_part_of_a_suite_is_refused(demo_board: Board) -> None:
    with pytest.raises(RequestError, match="without 9 of its clips"):
        eval_results(replace(demo_board, plan=replace(demo_board.plan, left_out=9)), "a/b", "spectral-gate")


def test_two_tasks_never_share_a_name(demo_board: Board) -> None:
    alike = replace(
        demo_board, cells=tuple(replace(c, condition=name) for c in demo_board.cells for name in ("a b", "a_b"))
    )
    with pytest.raises(RequestError, match="a b, lsd and a_b, lsd would share the name of a task"):
        task_ids(alike)
