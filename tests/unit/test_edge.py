"""Inputs without a distortion or without speech: their samples, and that only spoken text is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from restorebench.benchmark.contracts import Scene
from restorebench.benchmark.data.locations import audio_files, file_sha256
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run import pairs
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Audio
from restorebench.corruptions.edge import Duration, Edge, EdgeCase, NoiseOnlyStep, SecondTalkerStep, rms
from restorebench.corruptions.sources import Recording
from restorebench.corruptions.step import Sounds
from restorebench.metrics.level import level_dbfs

OTHERS = tuple(audio_files("demo:"))[:8]


def rendered(corruption: Edge | Duration, clip: Audio) -> tuple[np.ndarray, np.ndarray]:
    recipe = corruption.draw(np.random.default_rng(0), Scene(clip.rate, clip.seconds, others=OTHERS))
    pair = pairs.render(recipe, clip)
    assert pair.reference is not None
    return pair.reference.samples.astype(np.float64), pair.degraded.samples.astype(np.float64)


def test_the_case_nothing_leaves_the_clip_unchanged(speech: Audio) -> None:
    reference, degraded = rendered(Edge(case="nothing"), speech)
    assert np.abs(reference - speech.samples).max() < 1e-6  # sounds are rounded to 24 bits
    assert np.array_equal(reference, degraded)


def test_the_case_silence_is_digital_silence(speech: Audio) -> None:
    reference, degraded = rendered(Edge(case="silence"), speech)
    assert not reference.any()
    assert not degraded.any()


@pytest.mark.parametrize("noise", ["pink", "babble"])
def test_noise_without_speech_has_the_requested_level(speech: Audio, noise: str) -> None:
    reference, degraded = rendered(Edge(case="noise-only", dbfs=-35, noise=noise), speech)
    assert not reference.any()
    assert level_dbfs(degraded.astype(np.float32)) == pytest.approx(-35, abs=0.01)


def test_the_second_talker_is_as_loud_as_the_first(speech: Audio) -> None:
    reference, degraded = rendered(Edge(case="two-talkers"), speech)
    assert np.array_equal(reference, degraded)
    scale = float(reference @ speech.samples / (speech.samples @ speech.samples.astype(np.float64)))
    second = reference - scale * speech.samples  # both talkers are scaled together if their sum exceeds full scale
    assert rms(second) / rms(scale * speech.samples.astype(np.float64)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("seconds", [0.3, 30.0])
def test_a_clip_is_cut_or_repeated(speech: Audio, seconds: float) -> None:
    reference, degraded = rendered(Duration(seconds=seconds), speech)
    assert len(degraded) == round(seconds * speech.rate)
    assert np.array_equal(reference, degraded)
    assert np.allclose(degraded, np.resize(speech.samples, len(degraded)), atol=1e-6)


CASES: dict[EdgeCase, bool] = {"nothing": True, "silence": False, "noise-only": False, "two-talkers": False}


@pytest.mark.parametrize("case", CASES)
def test_only_the_unchanged_clip_keeps_its_words(speech: Audio, case: EdgeCase) -> None:
    edge = Edge(case=case)
    recipe = edge.draw(np.random.default_rng(0), Scene(speech.rate, speech.seconds, others=OTHERS))
    assert edge.keeps_words(recipe) is CASES[case]


def test_the_edge_suite_has_text_only_for_the_whole_speech_of_one_talker() -> None:
    plan = make_plan(load_suite("demo-edge"), systems=["unprocessed"], metrics=["level_error"])
    with_text = {trial.condition for trial in plan.trials if trial.utterance.text is not None}
    without = {trial.condition for trial in plan.trials if trial.utterance.text is None}
    assert with_text == {"clean", "narrow-band", "clipped-hard"}
    assert without == {"noise-only", "silence", "two-talkers", "short", "long"}


@pytest.mark.parametrize(("amplitude", "level"), [(1.0, 0.0), (0.01, -40.0), (1e-6, -80.0), (0.0, -80.0)])
def test_levels_have_a_floor(amplitude: float, level: float) -> None:
    assert level_dbfs(np.full(1000, amplitude, dtype=np.float32)) == pytest.approx(level, abs=1e-4)


def test_silent_sources_are_refused(speech: Audio, tmp_path: Path) -> None:
    """With a silent source, a recipe with a noise level would give silence, and one with two talkers only one."""
    sounds = Sounds(speech.samples.astype(np.float64), speech.samples.astype(np.float64), speech.rate)
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 16_000)
    voice = Recording(uri=str(tmp_path / "silent.wav"), sha256=file_sha256(tmp_path / "silent.wav"), offset=0.0)
    with pytest.raises(AudioError, match="digital silence"):
        SecondTalkerStep(voice=voice).on_pair(sounds)
    with pytest.raises(AudioError, match="digital silence"):
        NoiseOnlyStep(dbfs=-35.0, source=voice).on_pair(sounds)
