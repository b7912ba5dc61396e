"""Closed forms of the log-spectral distance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorebench.benchmark.types import FloatArray
from restorebench.metrics.lsd import lsd, lsd_active, magnitudes, window_and_hop

RATE = 44_100
NOISE = np.random.default_rng(1).normal(scale=0.1, size=2 * RATE).astype(np.float32)
OTHER = np.random.default_rng(2).normal(scale=0.1, size=2 * RATE).astype(np.float32)
SILENCE = np.zeros(2 * RATE, np.float32)


def distance(target: FloatArray, estimate: FloatArray) -> float:
    return lsd(magnitudes(target, RATE), magnitudes(estimate, RATE))


@pytest.mark.parametrize(("rate", "window", "hop"), [(16_000, 743, 160), (44_100, 2048, 441), (48_000, 2229, 480)])
def test_window_and_hop(rate: int, window: int, hop: int) -> None:
    assert window_and_hop(rate) == (window, hop)


@pytest.mark.parametrize(
    ("name", "target", "estimate", "wanted", "tolerance"),
    [
        ("identical", NOISE, NOISE, 0.0, 1e-6),
        ("twice", NOISE, 2 * NOISE, 0.602, 1e-3),
        ("ten times", NOISE, 10 * NOISE, 2.0, 1e-3),
        ("estimate silent", NOISE, SILENCE, 23.5, 1.5),
        ("target silent", SILENCE, NOISE, 12.0, 1e-3),
        ("both silent", SILENCE, SILENCE, 12.0, 1e-3),
        ("independent noises", NOISE, OTHER, 0.79, 0.02),
    ],
)
def test_published_definition(
    name: str, target: FloatArray, estimate: FloatArray, wanted: float, tolerance: float
) -> None:
    assert distance(target, estimate) == pytest.approx(wanted, abs=tolerance), name


def test_the_active_distance_of_a_clip_to_itself_ignores_silence() -> None:
    clip = np.concatenate([NOISE, SILENCE])
    spectrum = magnitudes(clip, RATE)
    assert lsd(spectrum, spectrum) > 5.9
    assert lsd_active(spectrum, spectrum) == 0.0


def test_the_active_distance_ignores_noise_in_silence() -> None:
    target = magnitudes(np.concatenate([NOISE, SILENCE]), RATE)
    hiss = magnitudes(np.concatenate([NOISE, 1e-4 * OTHER]), RATE)
    assert lsd_active(target, hiss) < 0.01


def test_the_active_distance_needs_an_active_frame() -> None:
    with pytest.raises(ValueError, match="digital silence"):
        lsd_active(magnitudes(SILENCE, RATE), magnitudes(NOISE, RATE))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 20.0))
def test_the_distance_of_a_gain_is_twice_its_logarithm(gain: float) -> None:
    assert distance(NOISE, np.float32(gain) * NOISE) == pytest.approx(2 * abs(np.log10(gain)), abs=2e-3)
