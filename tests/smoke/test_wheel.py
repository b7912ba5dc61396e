"""Tests of the installed wheel in a clean environment without the source tree; pytest is the only test tool."""

import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def command(request, tmp_path):
    folder = request.config.getoption("--smoke-bin")

    def run(*arguments):
        return subprocess.run(
            [str(Path(folder) / "restorebench"), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )

    return run


def test_help_and_lists(command):
    assert "degrade" in command("--help").stdout
    assert len(command("list", "papers", "--format", "csv").stdout.splitlines()) == 341
    assert "demo" in command("list", "suites", "--format", "csv").stdout


def test_run_and_board(command, tmp_path):
    done = command("run", "demo", "--systems", "unprocessed,spectral-gate,target",
                   "--metrics", "dnsmos,lsd,wer@pocketsphinx", "--limit", "2",
                   "--store", "store", "--format", "csv")  # fmt: skip
    if "pyroomacoustics" in done.stderr:
        assert "pip install 'restorebench[rooms]'" in done.stderr
        pytest.fail("the smoke environment lacks the rooms extra")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 3 * 7
    assert "not comparable" in command("board", "store", "--against", "masksr2", "--format", "csv").stdout


def test_degrade_and_verify(command, tmp_path):
    assert command("degrade", "demo", "--limit", "2", "--out", "set").returncode == 0
    assert command("verify", "set").returncode == 0


def test_the_error_for_an_absent_package_names_the_install_command(command):
    done = command("run", "demo", "--metrics", "pesq", "--systems", "target", "--store", "s")
    assert done.returncode == 2
    assert "pip install 'restorebench[compiled]'" in done.stderr


def test_the_error_for_training_without_torch_names_the_install_command(command):
    done = command("train", "nano/codec-16k")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "pip install 'restorebench[models]'" in done.stderr
    assert "masksr2-s" in command("list", "systems", "--format", "csv").stdout
