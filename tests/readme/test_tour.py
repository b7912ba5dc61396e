"""The tour notebook: committed with its output, made by .ci/tour.py, and it still runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("matplotlib")


@pytest.mark.heavy
def test_the_tour_runs_and_is_the_committed_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "tour.py", tmp_path / "tour.ipynb"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    made, kept = (nbformat.read(path, 4) for path in (tmp_path / "tour.ipynb", ROOT / "notebooks" / "tour.ipynb"))
    assert [cell.source for cell in made.cells] == [cell.source for cell in kept.cells], "run .ci/tour.py again"
    outputs = [cell.outputs for cell in kept.cells if cell.cell_type == "code"]
    assert all(outputs), "committed with its output"
    assert not [output for some in outputs for output in some if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for some in outputs for output in some)
