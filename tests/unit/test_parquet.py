"""A store's scores are plain Parquet: polars, and DuckDB as in reports/README.md, read the values of records.csv."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.suite import load_suite
from tests.conftest import ROOT, add_package

POLARS = """
import polars as pl
rows = pl.read_parquet("results/scores/*.parquet").filter(pl.col("value_name") == "lsd")
system_means = rows.group_by("system").agg(pl.col("value").mean()).rows()
"""


@pytest.mark.environments
@pytest.mark.parametrize("package", ["duckdb", "polars"])
def test_other_parquet_readers_read_the_scores(tmp_path: Path, package: str) -> None:
    execute(make_plan(load_suite("demo"), ["unprocessed", "spectral-gate"], ["lsd"], limit=3), tmp_path / "results", 1)
    add_package(package, tmp_path / "packages")
    [example] = re.findall(
        r"```python\n(import duckdb\n.*?)```", (ROOT / "reports" / "README.md").read_text(), re.DOTALL
    )
    documented = (
        example.replace("duckdb.sql", "system_means = duckdb.sql").replace("dnsmos.ovl", "lsd").rstrip()
        + ".fetchall()\n"
    )
    code = (documented if package == "duckdb" else POLARS) + "for name, mean in sorted(system_means): print(name, mean)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "packages")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    means = pd.read_csv(tmp_path / "results" / "records.csv").groupby("system")["value"].mean()
    shown = {name: float(mean) for name, mean in (row.split() for row in done.stdout.splitlines())}
    assert shown == pytest.approx(means.to_dict(), rel=1e-12)
