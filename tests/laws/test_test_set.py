"""Degraded test sets: equal for any number of workers, verified sample by sample, and never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from tests.conftest import Cli


def test_verify_finds_one_changed_sample(cli: Cli, tmp_path: Path) -> None:
    assert cli("degrade", "demo", "--limit", "3", "--out", "set").returncode == 0
    assert cli("verify", "set").returncode == 0
    path = tmp_path / "set" / "degraded" / "voicefixer" / "joe_42.flac"
    samples, rate = soundfile.read(path, dtype="int32")
    samples[1234] += 256  # one step of the 24-bit grid
    soundfile.write(path, samples, rate, subtype="PCM_24")
    done = cli("verify", "set")
    assert done.returncode == 1
    assert "degraded/voicefixer/joe_42: the samples' sha256 is" in done.stdout
    assert "3 clips, 1 faults" in done.stdout


def test_verify_finds_missing_and_foreign_files(cli: Cli, tmp_path: Path) -> None:
    cli("degrade", "demo", "--limit", "2", "--out", "set")
    folder = tmp_path / "set" / "reference" / "voicefixer"
    (folder / "hibari_41.flac").rename(folder / "stranger.flac")
    done = cli("verify", "set")
    assert done.returncode == 1
    assert "reference/voicefixer/hibari_41: hibari_41.flac: there is no such file" in done.stdout
    assert "reference/voicefixer/stranger.flac: not in the manifest" in done.stdout


def test_one_and_four_workers_write_the_same_set(cli: Cli, tmp_path: Path) -> None:
    for workers in ("1", "4"):
        cli("degrade", "demo", "--limit", "6", "--out", f"set{workers}", "--workers", workers)
    one, four = ((tmp_path / f"set{w}" / "manifest.jsonl").read_text() for w in ("1", "4"))
    assert one == four
    lines = [json.loads(line) for line in one.splitlines()]
    assert len(lines) == 6
    for line in lines:
        samples, rate = soundfile.read(tmp_path / "set1" / "degraded" / f"{line['id']}.flac")
        assert (len(samples), rate) == (line["samples"], line["rate"])
        assert np.abs(samples).max() <= 1.0


def test_an_existing_set_is_not_overwritten(cli: Cli) -> None:
    cli("degrade", "demo", "--limit", "1", "--out", "set")
    done = cli("degrade", "demo", "--limit", "1", "--out", "set")
    assert done.returncode == 2
    assert "holds a test set already" in done.stderr
