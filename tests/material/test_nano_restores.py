"""The shipped models on recordings of speakers that they never heard: they restore, and the gate guards them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("torch")

import restorebench as rb
from tests.conftest import ROOT, Cli

GATE = ROOT / "tests" / "golden" / "nano-gate.json"


@pytest.mark.heavy
def test_restored_speech_is_better_and_the_gate_passes(cli: Cli, tmp_path: Path) -> None:
    systems = "unprocessed,masksr2-nano,sise-nano,target-codec-nano"
    done = cli("run", "demo", "--systems", systems, "--metrics", "dnsmos,lsd,stoi", "--store", "store")
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "store" / "records.csv")
    means = rows.pivot_table(index="system", columns="value_name", values="value")
    found = rb.open_results(tmp_path / "store")
    for system in ("masksr2-nano", "sise-nano"):
        better = found.compare(system, "unprocessed").set_index("value_name")["better"]
        for value in ("dnsmos.bak", "dnsmos.ovl", "dnsmos.p808"):
            assert means.loc[system, value] > means.loc["unprocessed", value] + 0.1
            assert better[value] == system
        # Of these clips few are cut far below 8 kHz: unprocessed has 2.85 (3.54 in the third version of the demo).
        assert means.loc[system, "lsd"] < means.loc["unprocessed", "lsd"] - 0.7
        assert better["lsd"] == system
    eval_model = cli("gate", "store", "--baseline", GATE)
    assert eval_model.returncode == 0, eval_model.stdout + eval_model.stderr
