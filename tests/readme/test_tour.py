"""The tour notebook was built by .ci/tour.py, is committed with its output, and still runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("matplotlib")


@pytest.mark.heavy
def test_the_tour_runs_and_equals_the_committed_notebook(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "tour.py", tmp_path / "tour.ipynb"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    built, committed = (nbformat.read(path, 4) for path in (tmp_path / "tour.ipynb", ROOT / "notebooks" / "tour.ipynb"))
    assert [cell.source for cell in built.cells] == [cell.source for cell in committed.cells], "run .ci/tour.py again"
    outputs = [cell.outputs for cell in committed.cells if cell.cell_type == "code"]
    assert all(outputs), "a code cell of the committed notebook has no output"
    assert not [output for cell_outputs in outputs for output in cell_outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for cell_outputs in outputs for output in cell_outputs)
