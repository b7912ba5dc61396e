"""Published baselines against what their authors made of the same clips, and what they do for recorded speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.audio import read
from restorebench.benchmark.components import system_of, why_not
from restorebench.benchmark.contracts import System
from restorebench.benchmark.run.restore import restore_audio

pytestmark = pytest.mark.material


def baseline(name: str) -> System:
    if why := why_not("systems", name):
        pytest.skip(f"{name}: {why}")
    found = system_of(name)
    assert isinstance(found, System)
    return found


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


@pytest.mark.parametrize(("task", "wanted"), [("GSR", 0.98), ("DECLIP-0.25", 0.999)])
def test_nsnet2_makes_the_published_clips(material: Path, task: str, wanted: float) -> None:
    """Every clip of the authors' demo page, without any shift. (Their outputs for band-limited input depend on the
    resampler's stop band, their 48 kHz outputs for 44.1 kHz input on how they converted them.)"""
    system = baseline("nsnet2-48k")
    published = sorted((material / "published" / task / "NSNet2").glob("*.flac"))
    assert published
    for file in published:
        given = read(material / "published" / task / "unprocessed" / file.name)
        made, _ = restore_audio(system, given, 0)
        assert correlation(made.samples, read(file).samples) >= wanted, file.name


@pytest.mark.parametrize("name", ["deepfilternet3", "nsnet2-48k", "rnnoise", "dtln", "gtcrn"])
def test_clean_speech_passes_and_noise_goes(material: Path, name: str) -> None:
    system = baseline(name)
    clean = read(sorted((material / "speech" / "librispeech-test-clean").glob("*.flac"))[0])
    made, _ = restore_audio(system, clean, 0)
    assert correlation(made.samples, clean.samples) > 0.97
    noise = np.random.default_rng(0).normal(scale=np.sqrt(np.mean(clean.samples**2)), size=len(clean.samples))
    noisy = type(clean)((clean.samples + noise).astype(np.float32), clean.rate)
    made, _ = restore_audio(system, noisy, 0)
    assert correlation(made.samples, clean.samples) > correlation(noisy.samples, clean.samples) + 0.05
