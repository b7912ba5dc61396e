"""Peak memory does not grow with the number of clips: a run of 500 clips needs at most 10 % more than a run of 50."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import COMMAND

MEASURE = (
    "import resource, subprocess, sys\n"
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def peak_kib(folder: Path, clips: int) -> int:
    """Peak memory in KiB of the largest process of a run: the command itself or one of its workers."""
    corpus = folder / f"corpus{clips}"
    corpus.mkdir()
    rng = np.random.default_rng(0)
    for index in range(clips):
        soundfile.write(corpus / f"{index:04d}.wav", rng.normal(scale=0.1, size=8_000), 16_000)
    suite = folder / f"suite{clips}.toml"
    suite.write_text(
        f'name = "many{clips}"\nversion = 1\nsummary = "x"\nmetrics = ["si_sdr", "lsd", "stoi"]\n'
        'systems = ["unprocessed", "spectral-gate", "target"]\n'
        f'[corpus]\nreader = "folder"\noptions = {{ path = "{corpus}" }}\n'
        '[[condition]]\nname = "noise"\ncorruption = "noise"\noptions = { noise = "white", snr_db = 5 }\n'
    )
    command = [COMMAND, "run", suite, "--store", folder / f"store{clips}", "--format", "csv"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, command)], capture_output=True, text=True, check=True, env=os.environ
    )
    return int(done.stdout)


@pytest.mark.heavy
def test_five_hundred_clips_need_the_memory_of_fifty(tmp_path: Path) -> None:
    few, many = peak_kib(tmp_path, 50), peak_kib(tmp_path, 500)
    print(f"peak: {few / 1024:.0f} MiB with 50 clips, {many / 1024:.0f} MiB with 500")
    assert many <= 1.1 * few
