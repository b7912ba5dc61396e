"""A plug-in adds a corruption step, a metric with a margin and an isolated system: a file and an entry point each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import COMMAND

SCRIPT = """
import json, sys
import restorebench as rb
results = rb.open_results(sys.argv[1])
print(json.dumps({
    "hum": [float(x) for x in results.breakdown()["hum"]],
    "gain": float(results.compare("toy-isolated", "unprocessed").set_index("value_name").loc["si_sdr", "difference"]),
    "peaks": results.board()["Peak"].to_dict(),
}))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, toy_plugin: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("open") / "store"
    command = [COMMAND, "run", "toy-hum", "--systems", "unprocessed,toy-isolated,target", "--store", folder]
    done = subprocess.run(command, env={**os.environ, **toy_plugin}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_step_is_rendered_and_reports_its_severity(store: Path, toy_plugin: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, store], env={**os.environ, **toy_plugin}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert len(set(summary["hum"])) == 6
    assert all(-40 <= level <= -10 for level in summary["hum"])
    assert summary["gain"] == pytest.approx(0.0, abs=1e-4), "halving the samples does not change SI-SDR"
    assert summary["peaks"]["toy-isolated"] == pytest.approx(0.5 * summary["peaks"]["unprocessed"], rel=1e-3)


def test_the_gate_uses_the_margin_of_the_metrics_card(store: Path, tmp_path: Path, toy_plugin: dict[str, str]) -> None:
    file = tmp_path / "baseline.json"
    command = [COMMAND, "gate", store, "--baseline", file, "--update-baseline", "--system", "toy-isolated",
               "--reason", "a test"]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, **toy_plugin}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text())["margins"] == {"si_sdr": 0.3, "toy-peak": 0.01}


def test_the_report_has_a_breakdown_by_severity(store: Path, tmp_path: Path, toy_plugin: dict[str, str]) -> None:
    pytest.importorskip("matplotlib")
    command = [COMMAND, "report", store, "--out", tmp_path / "report"]
    done = subprocess.run(command, env={**os.environ, **toy_plugin}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "Peak by hum: hum" in page
