"""A disk that fills up in the middle of a run: the store stays readable, and the next run finishes it."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from tests.conftest import COMMAND, Cli

RUN = ["run", "demo", "--systems", "unprocessed,target", "--metrics", "si_sdr,lsd", "--limit", "3", "--workers", "1"]


def run_with_file_size_limit(size: int, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command with a limit of `size` bytes for each file, which has the same effect as a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        [str(COMMAND), *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        preexec_fn=limit,
    )  # fmt: skip


@pytest.mark.parametrize("size", [0, 2_000, 60_000])
def test_the_store_stays_readable_and_the_next_run_completes_it(cli: Cli, tmp_path: Path, size: int) -> None:
    whole = cli(*RUN, "--store", "whole")
    assert whole.returncode == 0, whole.stderr
    full = run_with_file_size_limit(size, tmp_path, *RUN, "--store", "full")
    assert full.returncode != 0
    assert "Traceback" not in full.stderr
    assert "File too large" in full.stderr
    assert len(full.stderr.strip().splitlines()[-1]) < 300
    shown = cli("board", "full")
    if any((tmp_path / "full" / "plans").glob("*.json")):
        assert shown.returncode == 0, shown.stderr
    else:
        assert shown.returncode == 2
        assert "no store there" in shown.stderr
    again = cli(*RUN, "--store", "full", "--retry-failed")
    assert again.returncode == 0, again.stderr
    records = [(tmp_path / store / "records.csv").read_bytes() for store in ("full", "whole")]
    assert records[0] == records[1]
