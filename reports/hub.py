"""Results in the form that the Hugging Face Hub reads: `.eval_results/*.yaml` of a model, `eval.yaml` of a benchmark.

A benchmark is a dataset repository whose `eval.yaml` lists tasks; a model repository names the dataset and the task
with each number. Here a task is one value in one condition of a suite.

Source: the Hub's documentation, "Evaluation results". The tests parse `.eval_results` with `huggingface_hub`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Cell

DATASET = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
FRAMEWORK = "restorebench"


def eval_results(board: Board, dataset: str, system: str = "") -> tuple[str, list[str]]:
    """The file for a model's folder `.eval_results`.

    Args:
        board: The board of a suite that was run on all its clips.
        dataset: The benchmark's dataset repository, `OWNER/NAME`.
        system: The row of the board that is the model; may be "" if only one row is not an anchor.

    Returns:
        YAML, and the values that it leaves out, with the reason: a mean over fewer clips than planned is not listed.

    Raises:
        RequestError: Clips of the suite were left out, the model's row is unknown or ambiguous, no value covers all
            clips, or `dataset` is not OWNER/NAME.
    """
    if not DATASET.fullmatch(dataset):
        raise RequestError(f"--dataset {dataset!r}: wanted OWNER/NAME of the benchmark's dataset repository")
    if board.plan.left_out:
        raise RequestError(
            f"the store holds {board.plan.suite.name} without {board.plan.left_out} of its clips; "
            "results of a part of a benchmark are not listed: run it without --limit"
        )
    system = _model(board, system)
    tasks = task_ids(board)
    labels = {value.name: value for value in board.values()}
    mine = [cell for cell in board.cells if cell.system == system and (cell.condition, cell.value_name) in tasks]
    whole = [(cell, cell.value) for cell in mine if cell.value is not None and cell.n == cell.planned]
    left_out = [
        f"{cell.condition}, {cell.value_name}: {cell.why}"
        for cell in mine
        if cell.value is None or cell.n != cell.planned
    ]
    if not whole:
        raise RequestError(f"{system} has no value over all clips of {board.plan.suite.name}: nothing to list")
    entries = [
        {
            "dataset": {"id": dataset, "task_id": tasks[cell.condition, cell.value_name]},
            "value": round(float(number), labels[cell.value_name].decimals + 2),
            "notes": _notes(cell, board),
        }
        for cell, number in whole
    ]
    return _yaml(entries), left_out


def eval_yaml(board: Board) -> str:
    """The `eval.yaml` for the dataset repository of the board's suite: its tasks with descriptions."""
    values = {value.name: value for value in board.values()}
    summary = board.plan.suite.summary
    tasks = [
        {
            "id": task,
            "config": condition,
            "split": "test",
            "description": f"{values[name].label} ({values[name].unit}), {values[name].direction} is better",
        }
        for (condition, name), task in task_ids(board).items()
    ]
    return _yaml(
        {
            "name": f"RestoreBench {board.plan.suite.name}",
            "description": f"{summary} (version {board.plan.suite.version})",
            "evaluation_framework": FRAMEWORK,
            "tasks": tasks,
        }
    )


def task_ids(board: Board) -> dict[tuple[str, str], str]:
    """(condition, value) -> the task's name, for all values except those of speed.

    Raises RequestError when two of them would share a name.
    """
    names = {value.name for value in board.values() if value.role != "speed"}
    keys = dict.fromkeys((cell.condition, cell.value_name) for cell in board.cells if cell.value_name in names)
    ids: dict[tuple[str, str], str] = {}
    for key in keys:
        task = re.sub(r"[^\w.-]+", "_", "_".join(key))
        if same_name := next((other for other, known in ids.items() if known == task), None):
            pair = " and ".join(", ".join(cell_key) for cell_key in (same_name, key))
            raise RequestError(f"{pair} would share the name of a task, {task}; rename one of the conditions")
        ids[key] = task
    return ids


def _model(board: Board, system: str) -> str:
    rows = [name for name, card in board.plan.system_cards.items() if card.kind != "anchor"]
    if not rows:
        raise RequestError("the store has no system but anchors; run the system whose results are to be listed")
    if not system and len(rows) == 1:
        return rows[0]
    if system not in rows:
        raise RequestError(f"--system {system!r}: name the row that is the model, one of {', '.join(rows)}")
    return system


def _notes(cell: Cell, board: Board) -> str:
    """The notes on one number: how many values it is a mean of, its interval, and how it was measured."""
    interval = "" if cell.low is None or cell.high is None else f", 95 % interval {cell.low:.4g} to {cell.high:.4g}"
    suite = board.plan.suite
    return f"{cell.n} values{interval}; self-reported; {suite.name} {suite.version}; {cell.signature}"


def _yaml(content: dict[str, Any] | Sequence[dict[str, Any]]) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=120)
