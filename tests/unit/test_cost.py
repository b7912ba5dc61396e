"""Each system's memory and time are measured in a separate process and stored; a failure there loses no results."""

from __future__ import annotations

from pathlib import Path

import pytest

from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.run.cost import costs_of, measurable
from restorebench.benchmark.store.store import open_store, plan_of
from tests.conftest import Cli

pytestmark = pytest.mark.skipif(not measurable(), reason="memory is measured on Linux")


def test_every_system_has_its_own_cost(cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]) -> None:
    command = ("run", "demo", "--metrics", "rtf", "--limit", "1", "--store", "s")
    done = cli(*command, "--systems", "toy-large,toy-echo,toy-dies,target", env=toy_plugin)
    assert done.returncode == 0, done.stderr
    assert "cost: 3/3" in done.stderr
    store = open_store(tmp_path / "s")
    costs = costs_of(store, plan_of(store))
    assert set(costs) == {"toy-large", "toy-echo"}
    assert costs["toy-large"].mib - costs["toy-echo"].mib == pytest.approx(300, abs=20)
    assert costs["toy-echo"].mib < 100
    assert all(0 < cost.rtf < 1 and cost.cpu_rtf is not None and cost.cpu_rtf < 1 for cost in costs.values())
    assert "died" in str(store.note("cost", digest("toy-dies")))
    again = cli(*command, "--systems", "toy-large", env=toy_plugin)
    assert "cost" not in again.stderr, "nothing was restored, so nothing is measured"


def test_a_run_without_a_time_metric_measures_no_cost(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "demo", "--systems", "spectral-gate", "--metrics", "si_sdr", "--limit", "1", "--store", "s")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "s" / "cost").exists()
