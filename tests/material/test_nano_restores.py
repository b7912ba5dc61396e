"""The shipped models restore recordings of speakers who are not in their training data, and pass their gate."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("torch")

import restorebench as rb
from tests.conftest import ROOT, Cli

GATE = ROOT / "tests" / "golden" / "nano-gate.json"


SUITE = """
name = "bundled"
version = 1
summary = "All bundled clips, degraded as in the demo: few of the demo's twelve are cut far below 8 kHz"
metrics = ["lsd"]
systems = ["unprocessed", "masksr2-nano", "sise-nano"]
[corpus]
reader = "demo"
rate = 16000
[[condition]]
name = "voicefixer"
corruption = "voicefixer"
options = { bandwidth_hz = [1000, 8000], t60_s = [0.2, 0.6] }
"""


@pytest.mark.heavy
def test_missing_bands_are_restored(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bundled.toml").write_text(SUITE)
    done = cli("run", "bundled.toml", "--store", "store")
    assert done.returncode == 0, done.stderr
    means = pd.read_csv(tmp_path / "store" / "records.csv").groupby("system")["value"].mean()
    for system in ("masksr2-nano", "sise-nano"):
        assert means[system] < means["unprocessed"] - 1


@pytest.mark.heavy
def test_restored_speech_is_better_and_the_gate_passes(cli: Cli, tmp_path: Path) -> None:
    systems = "unprocessed,masksr2-nano,sise-nano,target-codec-nano"
    done = cli("run", "demo", "--systems", systems, "--metrics", "dnsmos,lsd,stoi", "--store", "store")
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "store" / "records.csv")
    means = rows.pivot_table(index="system", columns="value_name", values="value")
    results = rb.open_results(tmp_path / "store")
    for system in ("masksr2-nano", "sise-nano"):
        better = results.compare(system, "unprocessed").set_index("value_name")["better"]
        for value in ("dnsmos.bak", "dnsmos.ovl", "dnsmos.p808"):
            assert means.loc[system, value] > means.loc["unprocessed", value] + 0.1
            assert better[value] == system
        assert better["lsd"] == system
    gate = cli("gate", "store", "--baseline", GATE)
    assert gate.returncode == 0, gate.stdout + gate.stderr
