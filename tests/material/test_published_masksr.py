"""Tests on real recordings: DNSMOS of MaskSR's published outputs; plans and report of two suites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.audio import read
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.suite import load_suite
from restorebench.metrics.dnsmos import Dnsmos
from tests.conftest import Cli

pytestmark = pytest.mark.material

ITEMS = [1, 2, 3, *range(5, 14)]
WANTED = {  # SIG, BAK, OVL, P.808 over the 12 GSR items common to all systems
    "unprocessed": (2.67, 2.40, 2.05, 2.74),
    "target": (3.51, 3.96, 3.18, 3.57),
    "MaskSR-M": (3.54, 4.02, 3.25, 3.84),
    "VoiceFixer": (3.47, 3.96, 3.16, 3.56),
    "NSNet2": (2.93, 3.99, 2.70, 3.05),
}


@pytest.mark.parametrize("system", sorted(WANTED))
def test_dnsmos_of_published_outputs(material: Path, system: str) -> None:
    folder = material / "published" / "GSR" / system
    clips = [SharedClip(read(folder / f"{item}.flac")) for item in ITEMS]
    scores = [[outcome.value for outcome in row.values()] for row in Dnsmos().score(None, clips)]
    assert np.mean(np.array(scores, float), axis=0) == pytest.approx(WANTED[system], abs=0.02)


def test_published_masksr_plan_has_only_jobs_and_metrics_that_the_clips_allow(material: Path) -> None:
    plan = make_plan(load_suite("published-masksr"))
    conditions = {trial.condition for trial in plan.trials}
    assert len(plan.systems) == 8
    assert len(conditions) == 7
    planned_pairs = {(job.system, job.trial.condition) for job in plan.jobs}
    assert ("published:MaskSR-M", "GSR") in planned_pairs
    assert ("published:MaskSR-M", "DNS2020_no_reverb") not in planned_pairs
    assert ("target", "DNS2020_real_recordings") not in planned_pairs
    real_recording_jobs = [job for job in plan.jobs if job.trial.condition == "DNS2020_real_recordings"]
    assert {metric for job in real_recording_jobs for metric in plan.metrics_for(job)} == {"dnsmos"}


def test_librispeech_plan_draws_recorded_noise_and_measured_rirs(material: Path) -> None:
    plan = make_plan(load_suite("librispeech-degraded"), ["unprocessed"], ["si_sdr"])
    assert len(plan.trials) == 180, "60 of test-other, 120 of test-clean"
    assert all(trial.utterance.text for trial in plan.trials)
    steps = [step for trial in plan.trials if trial.recipe for step in trial.recipe.steps]
    noises = {step["source"]["uri"] for step in steps if step["name"] == "noise"}
    rirs = {step["rir"]["uri"] for step in steps if step["name"] == "reverb"}
    assert all(uri.startswith("data:noise/") for uri in noises)
    assert all(uri.startswith("data:rir/") for uri in rirs)
    assert len(noises) > 10
    assert len(rirs) > 3


@pytest.mark.heavy
def test_published_masksr_report_is_at_most_40_mb(material: Path, cli: Cli, tmp_path: Path) -> None:
    """The report has a player for every published version of every clip, and its folder has at most 40 MB."""
    assert cli("run", "published-masksr", "--metrics", "lsd", "--store", "s").returncode == 0
    done = cli("report", "s", "--out", "r")
    assert done.returncode == 0, done.stderr
    sounds = list((tmp_path / "r" / "sounds").glob("*.mp3"))
    assert len(sounds) == 45 + 40 + 3 * 45, "inputs, targets where they exist, and three systems per task"
    assert sum(path.stat().st_size for path in (tmp_path / "r").rglob("*") if path.is_file()) <= 40e6
