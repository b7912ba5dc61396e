"""The GitHub action's steps, run as GitHub runs them: composite steps in bash, inputs through the environment."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.suite import load_suite
from tests.conftest import COMMAND, ROOT, Cli

FOLDER = ROOT / ".github" / "actions" / "gate"
ACTION: dict[str, Any] = yaml.safe_load((FOLDER / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "name" in step}
SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]


def run(name: str, folder: Path, before: str = "", **inputs: str) -> subprocess.CompletedProcess[str]:
    """Runs a step of the action with the given inputs and the defaults of the others.

    `before` is shell code that runs before the step.
    """
    values = {f"inputs.{key}": str(definition.get("default", "")) for key, definition in ACTION["inputs"].items()}
    values |= {f"inputs.{key}": value for key, value in inputs.items()} | {"github.action_path": str(FOLDER)}
    variables = {
        key: re.sub(r"\$\{\{ (.+?) \}\}", lambda match: values[match[1]], text)
        for key, text in STEPS[name]["env"].items()
    }
    path = f"{COMMAND.parent}:{os.environ['PATH']}"
    env = {**os.environ, **variables, "PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    command = [*SHELL, before + STEPS[name]["run"]]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_action_installs_the_repository_that_contains_it(tmp_path: Path) -> None:
    done = run("Install", tmp_path, before='python() { printf "%s\n" "$@"; }; ')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["-m", "pip", "install", "--quiet", f"{ROOT}[demo,models]"]


def test_inputs_are_never_read_as_options(tmp_path: Path) -> None:
    """Inputs with spaces, wildcards and leading dashes. A shell function prints each command in place of running it."""
    print_arguments = 'restorebench() { printf "%s\n" "$@"; }; '
    (tmp_path / "a.toml").touch()
    odd = {"suite": "--help", "system": "-x y", "metrics": "--offline", "store": "--wide", "baseline": "-b"}
    based = run("Base", tmp_path, before=print_arguments, **odd, **{"base-system": "-z $(id)"}).stdout.splitlines()
    assert based[:4] == ["run", "--systems=-z $(id)", "--metrics=--offline", "--store=--wide-base"]
    assert based[-2:] == ["--", "--wide-base"]
    fetched = run("Fetch", tmp_path, before=print_arguments, data="vctk --from\n* $(id)")
    assert fetched.stdout.splitlines() == ["data", "fetch", "--", "vctk", "--from", "*", "$(id)"]
    ran = run("Run", tmp_path, before=print_arguments, **odd).stdout.splitlines()
    assert ran == ["run", "--systems=-x y", "--metrics=--offline", "--store=--wide", "--format", "md", "--", "--help"]
    judged = run("Gate", tmp_path, before=print_arguments, **odd).stdout.splitlines()
    assert judged[:3] + judged[-2:] == ["gate", "--baseline=-b", "--system=-x y", "--", "--wide"]


@pytest.mark.heavy
def test_the_action_fails_on_a_regression(cli: Cli, tmp_path: Path) -> None:
    """A regression fails the job and is reported in the summary; shell code in a store's name is not run."""
    execute(make_plan(load_suite("demo"), ["target"], ["lsd"]), tmp_path / "first", workers=1)
    update = ("--update-baseline", "--reason", "r", "--system", "target")
    assert cli("gate", "first", "--baseline", "a b.json", *update).returncode == 0
    for system, code in (("target", 0), ("unprocessed", 1)):
        inputs = {"suite": "demo", "metrics": "lsd", "baseline": "a b.json", "store": f"$(id) {system}"}
        ran = run("Run", tmp_path, system=system, **inputs)
        assert ran.returncode == 0, ran.stderr
        judged = run("Gate", tmp_path, system=system, **inputs)
        assert judged.returncode == code, judged.stderr
    assert ElementTree.parse(tmp_path / ACTION["outputs"]["junit"]["value"]).getroot().attrib["failures"] == "1"
    summary = (tmp_path / "summary.md").read_text()
    assert "### Gate: passes" in summary
    assert "### Gate: 1 of 1 values regressed" in summary


def test_exactly_one_of_baseline_and_base_system_is_required(tmp_path: Path) -> None:
    for inputs, code in (({}, 2), ({"baseline": "a"}, 0), ({"base-system": "b"}, 0)):
        assert run("Inputs", tmp_path, **inputs).returncode == code
    assert run("Inputs", tmp_path, **{"baseline": "a", "base-system": "b"}).returncode == 2


@pytest.mark.heavy
def test_the_base_is_measured_in_the_same_job(cli: Cli, tmp_path: Path) -> None:
    """Without a committed baseline, a system fails against a better base system and passes against itself."""
    for base, code in (("unprocessed", 0), ("target", 1)):
        inputs = {"suite": "demo", "metrics": "lsd", "system": "unprocessed", "base-system": base, "store": "s"}
        for step in ("Run", "Base"):
            done = run(step, tmp_path, **inputs)
            assert done.returncode == 0, done.stderr
        judged = run("Gate", tmp_path, **inputs)
        assert judged.returncode == code, judged.stderr
