"""Memory and time are measured in a process of its own, kept in the store, and never costs a run its results."""

from __future__ import annotations

from pathlib import Path

import pytest

from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.run.cost import costs_of, measurable
from restorebench.benchmark.store.store import open_store, plan_of
from tests.conftest import Cli

pytestmark = pytest.mark.skipif(not measurable(), reason="memory is measured on Linux")


def test_every_system_is_charged_with_its_own(cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]) -> None:
    command = ("run", "demo", "--metrics", "rtf", "--limit", "1", "--store", "s")
    done = cli(*command, "--systems", "toy-large,toy-echo,toy-dies,target", env=toy_plugin)
    assert done.returncode == 0, done.stderr
    assert "cost: 3/3" in done.stderr
    store = open_store(tmp_path / "s")
    found = costs_of(store, plan_of(store))
    assert set(found) == {"toy-large", "toy-echo"}
    assert found["toy-large"].mib - found["toy-echo"].mib == pytest.approx(300, abs=20)
    assert found["toy-echo"].mib < 100
    assert all(0 < cost.rtf < 1 and cost.cpu_rtf is not None and cost.cpu_rtf < 1 for cost in found.values())
    assert "died" in str(store.note("cost", digest("toy-dies")))
    again = cli(*command, "--systems", "toy-large", env=toy_plugin)
    assert "cost" not in again.stderr, "nothing was restored, so nothing is measured"


def test_a_run_that_asks_for_no_times_measures_none(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "demo", "--systems", "spectral-gate", "--metrics", "si_sdr", "--limit", "1", "--store", "s")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "s" / "cost").exists()
