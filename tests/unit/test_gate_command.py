"""The gate as a command and as a pytest fixture: which baselines it writes, refuses and keeps."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from restorebench.benchmark.cli.main import app
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.gate.baseline import (
    margins_of,
    read_baseline,
    write_baseline,
)
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.suite import load_suite
from tests.conftest import Cli
from tests.samples import simulated


@pytest.fixture(scope="module")
def measured_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = make_plan(load_suite("demo"), ["unprocessed", "target"], ["lsd", "stoi"])
    return execute(plan, tmp_path_factory.mktemp("gate") / "s", workers=1).root


@pytest.fixture
def store(measured_store: Path, tmp_path: Path) -> Path:
    shutil.copytree(measured_store, tmp_path / "s")
    return tmp_path / "s"


def write_first_baseline(cli: Cli, system: str = "target") -> None:
    done = cli("gate", "s", "--baseline", "b.json", "--update-baseline", "--reason", "first", "--system", system)
    assert done.returncode == 0, done.stderr


def test_the_command_passes_fails_and_refuses(cli: Cli, store: Path, tmp_path: Path) -> None:
    assert cli("gate", "s", "--baseline", "b.json").returncode == 2
    write_first_baseline(cli)
    same = cli("gate", "s", "--baseline", "b.json", "--junit", "j.xml", "--summary", "sum.md")
    assert same.returncode == 0, same.stderr
    assert "Gate: passes" in same.stdout
    assert ElementTree.parse(tmp_path / "j.xml").getroot().attrib["failures"] == "0"
    worse = cli(
        "gate", "s", "--baseline", "b.json", "--system", "unprocessed", "--junit", "j.xml", "--summary", "sum.md"
    )
    assert worse.returncode == 1, worse.stdout + worse.stderr
    assert "FAIL" in worse.stdout
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert int(root.attrib["failures"]) > 0
    assert "worse by" in str(root.find("testcase/failure").attrib["message"])  # type: ignore[union-attr]
    summary = (tmp_path / "sum.md").read_text()
    assert "### Gate: passes" in summary
    assert "values regressed" in summary

    text = (tmp_path / "b.json").read_text()
    set_entry(tmp_path / "b.json", ("signatures", "lsd"), "lsd@0|another")
    refused = cli("gate", "s", "--baseline", "b.json")
    assert refused.returncode == 2
    assert "cannot judge: lsd is measured by lsd@" in refused.stderr
    assert "the baseline by lsd@0|another" in refused.stderr
    (tmp_path / "b.json").write_text(text.replace('"trials": "', '"trials": "0'))
    assert "cannot judge: the store holds demo with clips" in cli("gate", "s", "--baseline", "b.json").stderr
    (tmp_path / "b.json").write_text("{}")
    broken = cli("gate", "s", "--baseline", "b.json", "--junit", "j.xml", "--summary", "sum.md")
    assert ElementTree.parse(tmp_path / "j.xml").getroot().attrib["errors"] == "1"
    assert "### Gate: cannot judge" in (tmp_path / "sum.md").read_text()
    assert broken.returncode == 2
    assert "b.json: not a baseline: suite: Field required" in broken.stderr


def set_entry(path: Path, keys: tuple[str, ...], value: object) -> None:
    """Sets one entry of a JSON file."""
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (("signatures",), {}, "dnsmos.bak has no signature"),
        (("margins",), {"wer@pocketsphinx": 1.0}, "dnsmos.bak has no margin"),
        (("margins", "wer@pocketsphinx"), float("nan"), "margins.wer@pocketsphinx: Input should be a finite number"),
        (("margins", "wer@pocketsphinx"), -1.0, "greater than or equal to 0"),
        (("clips", "c", "dnsmos.ovl", "1"), (float("nan"), 1.0, 1), "finite number"),
        (("clips", "c", "dnsmos.ovl", "1"), (3.0, -1.0, 1), "greater than 0"),
        (("clips", "c", "dnsmos.ovl", "1"), (3.0, float("nan"), 1), "finite number"),
        (("clips", "c", "dnsmos.ovl", "1"), (3.0, 1.0, 0), "greater than or equal to 1"),
        (("clips",), {}, "clips: Dictionary should have at least 1 item"),
        (("clips", "c", "wer@pocketsphinx"), {}, "at least 1 item"),
    ],
)
def test_a_baseline_that_guards_nothing_is_refused(
    tmp_path: Path, keys: tuple[str, ...], value: object, says: str
) -> None:
    _, baseline = simulated(0, 30)
    path = tmp_path / "b.json"
    write_baseline(path, baseline)
    assert read_baseline(path) == baseline
    set_entry(path, keys, value)
    with pytest.raises(RequestError, match=f"b.json: not a baseline: .*{says}"):
        read_baseline(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"[]", b"{}"])
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.json").write_bytes(content)
    with pytest.raises(RequestError, match=r"b\.json: not a baseline"):
        read_baseline(tmp_path / "b.json")


def test_an_interrupted_run_is_not_judged(cli: Cli, store: Path, tmp_path: Path) -> None:
    write_first_baseline(cli)
    next((store / "scores").iterdir()).unlink()
    done = cli("gate", "s", "--baseline", "b.json")
    assert done.returncode == 2
    assert "are not measured yet; run the suite again" in done.stderr


def test_a_new_baseline_guards_less_only_with_the_option(cli: Cli, store: Path, tmp_path: Path) -> None:
    write_first_baseline(cli)
    path = tmp_path / "b.json"

    def update(*more: str) -> dict[str, float]:
        command = ["gate", str(store), "--baseline", str(path), "--update-baseline", "--reason", "r", *more]
        app(command, standalone_mode=False)
        margins: dict[str, float] = json.loads(path.read_text())["margins"]
        return margins

    with pytest.raises(RequestError, match="not guarded: lsd on voicefixer; if this is intended, add --allow-less"):
        update("--value", "stoi")
    assert update("--value", "stoi", "--allow-less") == {"stoi": 0.01}
    assert update() == {"stoi": 0.01}, "an update keeps the guarded values"
    for wrong, says in (
        (("--value", "pesq"), "value pesq: not measured here; measured: lsd, stoi"),
        (("--condition", "x"), "condition x: not measured here; measured: voicefixer"),
        (("--margin", "dnsmos.ovll=0.1"), "--margin dnsmos.ovll: not among the guarded values: stoi"),
        (("--reason", " "), "needs --reason TEXT"),
        (("--margin", "stoi=inf"), "a finite number"),
    ):
        with pytest.raises(RequestError, match=says):
            update(*wrong)


def test_a_store_with_too_few_clips_gives_no_baseline(cli: Cli, tmp_path: Path) -> None:
    execute(make_plan(load_suite("demo"), ["unprocessed"], ["lsd", "stoi"], limit=3), tmp_path / "small", workers=1)
    update = ("--baseline", "b.json", "--update-baseline", "--reason", "r", "--system", "unprocessed")
    done = cli("gate", "small", *update)
    assert done.returncode == 2
    assert "3 clips are too few for a significant regression among 2 values; wanted 6 or more" in done.stderr
    assert not (tmp_path / "b.json").exists()


def test_a_baseline_changes_only_with_a_reason(cli: Cli, store: Path, tmp_path: Path) -> None:
    without_reason = cli("gate", "s", "--baseline", "b.json", "--update-baseline", "--system", "unprocessed")
    assert without_reason.returncode == 2
    assert "--update-baseline needs --reason TEXT" in without_reason.stderr
    write_first_baseline(cli)
    again = cli(
        "gate", "s", "--baseline", "b.json", "--update-baseline", "--reason", "tighter", "--margin", "lsd=0.001"
    )
    assert again.returncode == 0, again.stderr
    baseline = json.loads((tmp_path / "b.json").read_text())
    assert (baseline["reason"], baseline["margins"]["lsd"], baseline["system"]) == ("tighter", 0.001, "target")
    assert cli("gate", "s", "--baseline", "b.json", "--margin", "lsd=9").returncode == 2
    for wrong in ("lsd", "lsd=-1", "=1", "lsd=x"):
        with pytest.raises(RequestError, match=f"--margin {wrong}: wanted VALUE=NUMBER"):
            margins_of([wrong])


PLUGIN = """
def test_no_regression(restorebench_gate):
    restorebench_gate("s", "b.json")

def test_regression(restorebench_gate):
    restorebench_gate("s", "b.json", system="unprocessed")
"""


def test_the_pytest_fixture_passes_and_fails(cli: Cli, store: Path, tmp_path: Path) -> None:
    """Runs in a separate pytest process, as in a user's project."""
    write_first_baseline(cli)
    (tmp_path / "test_checkpoint.py").write_text(PLUGIN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_checkpoint.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "worse by" in done.stdout


def test_a_system_that_always_failed_gets_no_baseline(cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]) -> None:
    systems = ("--systems", "toy-raises,toy-moody", "--metrics", "lsd,si_sdr")
    assert cli("run", "demo", "--store", "s", *systems, env=toy_plugin).returncode == 0
    update = ("gate", "s", "--baseline", "b.json", "--update-baseline", "--reason", "r", "--system")
    nothing = cli(*update, "toy-raises", env=toy_plugin)
    assert nothing.returncode == 2
    assert "toy-raises has nothing to guard: lsd on voicefixer: " in nothing.stderr
    assert not (tmp_path / "b.json").exists()
