"""The examples of README.md and of the folders' READMEs are installed and run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml

from restorebench.benchmark.data.locations import BUNDLE
from tests.conftest import ROOT, Cli, install

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("*/README.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
BLOCKS = dict(re.findall(r"```\w+ title=(\S+)\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture(scope="module")
def my_restorers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    source = tmp_path_factory.mktemp("source")
    for name, text in BLOCKS.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    (source / "my_restorers" / "__init__.py").touch()
    installed = tmp_path_factory.mktemp("installed")
    install(source, installed)
    return {"PYTHONPATH": str(installed)}


def test_all_examples_exist_and_are_short() -> None:
    assert set(BLOCKS) == {
        "array.sh", "merge.sh", "gate.yml", "mine.toml", "my-codec.toml", "pyproject.toml", "tour.py",
        "my_restorers/elsewhere.py", "my_restorers/quiet_worker.py", "my_restorers/louder.py", "my_restorers/peak.py",
        "my_restorers/tremolo.py",
    }  # fmt: skip
    for name, text in BLOCKS.items():
        code = [line for line in text.splitlines() if line and not line.startswith(("from", "import"))]
        assert name.endswith(("toml", "yml")) or len(code) <= 12


def test_system_metric_and_corruption_run_together(cli: Cli, tmp_path: Path, my_restorers: dict[str, str]) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("slt_04", "rms_03"):
        shutil.copy(BUNDLE / f"{name}.flac", tmp_path / "clips")
    suite = BLOCKS["mine.toml"].replace('corruption = "noise"', 'corruption = "tremolo"')
    (tmp_path / "mine.toml").write_text(re.sub(r"options = \{ snr_db.*", "", suite))
    done = cli("run", "mine.toml", "--systems", "unprocessed,louder,quiet-elsewhere", "--metrics", "peak,si_sdr",
               "--store", "s", env=my_restorers)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "s" / "records.csv")
    peaks = rows[rows["metric"] == "peak"].pivot_table(index="utterance", columns="system", values="value")
    assert (peaks["louder"] / peaks["unprocessed"]).round(6).eq(2).all()
    assert (peaks["quiet-elsewhere"] / peaks["unprocessed"]).round(6).eq(0.5).all()
    assert "louder" in cli("list", "systems", "--format", "csv", env=my_restorers).stdout


def test_the_tour_in_python_prints_a_board(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKS["tour.py"]], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^quieter +\d", done.stdout, re.MULTILINE)
    assert "better" in done.stdout


def test_the_readme_is_short_and_its_links_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 125
    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / target).exists(), target
    picture = ROOT / ".github" / "report.png"
    assert picture.stat().st_size <= 150_000


def test_the_example_of_an_own_corpus_runs(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    shutil.copy(BUNDLE / "slt_04.flac", tmp_path / "clips")
    (tmp_path / "mine.toml").write_text(BLOCKS["mine.toml"])
    done = cli("run", "mine.toml", "--store", "results", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 3 * 2


def test_every_command_of_the_readme_exists(cli: Cli) -> None:
    commands = set(re.findall(r"^restorebench (\w+)", TEXT, re.MULTILINE)) | {"verify"}
    assert commands == {
        "list", "run", "board", "compare", "ledger", "report", "notebook", "gate", "degrade", "verify", "restore",
        "doctor", "score", "train", "env", "data", "check", "store", "speech", "trend", "submit", "log", "listen",
    }  # fmt: skip
    for command in sorted(commands):
        arguments = {
            "data": ["data", "fetch"],
            "store": ["store", "merge"],
            "check": ["check-system"],
            "submit": ["submit", "pack"],
            "listen": ["listen", "make"],
        }.get(command, [command])
        done = cli(*arguments, "--help")
        assert done.returncode == 0
        assert "Example: restorebench" in done.stdout


def test_the_gate_example_guards_a_checkpoint(cli: Cli, tmp_path: Path) -> None:
    """The example runs line by line, with an untrained checkpoint and a copy of it."""
    pytest.importorskip("torch")
    from tests.tiny import random_checkpoint

    random_checkpoint(tmp_path / "old.safetensors")
    shutil.copy(tmp_path / "old.safetensors", tmp_path / "new.safetensors")
    block = TEXT.split("## Guard a checkpoint\n\n```\n")[1].split("```")[0]
    example = [line.removeprefix("restorebench ").split("     ")[0] for line in block.splitlines()]
    assert len(example) == 4
    for line in example:
        done = cli(*shlex.split(line))
        assert done.returncode == 0, f"{line}: {done.stderr}"
    assert ElementTree.parse(tmp_path / "gate.xml").getroot().attrib["failures"] == "0"


def test_the_action_example_names_the_actions_inputs() -> None:
    [step] = [step for step in yaml.safe_load(BLOCKS["gate.yml"])["jobs"]["gate"]["steps"] if "with" in step]
    assert "/.github/actions/gate@" in step["uses"]
    inputs = yaml.safe_load((ROOT / ".github" / "actions" / "gate" / "action.yml").read_text())["inputs"]
    assert {name for name, entry in inputs.items() if entry.get("required")} <= set(step["with"]) <= set(inputs)


def test_the_training_example_trains(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "clips").mkdir()
    for name in ("slt_04", "rms_03"):
        shutil.copy(BUNDLE / f"{name}.flac", tmp_path / "clips")
    (tmp_path / "my-codec.toml").write_text(BLOCKS["my-codec.toml"])
    done = cli("train", "my-codec.toml", "--minutes", "0.001")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "my-codec" / "model.safetensors").is_file()
    assert "checkpoint: runs/my-codec/model.safetensors" in done.stderr
