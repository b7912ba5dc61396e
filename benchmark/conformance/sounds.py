"""Test sounds of the checks: bundled speech at any rate, speech that ends in a vowel, noise, silence, a click."""

from __future__ import annotations

from functools import cache

import numpy as np

from restorebench.benchmark.audio import read, resample
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.types import FloatArray

CLIPS = ("slt_04", "rms_03", "awb_02")
PEAK = 0.5


@cache
def speech(rate: int, clip: int = 0) -> FloatArray:
    """Clean speech [time] of about 3 s with a peak of 0.5; `clip` (0 to 2) selects one of three speakers."""
    sound = read(BUNDLE / f"{CLIPS[clip]}.flac")
    samples = resample(sound.samples, sound.rate, rate)
    scaled: FloatArray = (samples * (PEAK / np.abs(samples).max())).astype(np.float32)
    scaled.flags.writeable = False
    return scaled


def cut_in_a_vowel(rate: int) -> FloatArray:
    """Speech [time], cut after the loudest 50 ms of its second half, so that a missing tail can be measured."""
    samples = speech(rate)
    window = rate // 20
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(window), mode="valid")
    half = len(power) // 2
    return samples[: half + int(np.argmax(power[half:])) + window]


def noise(rate: int, seconds: float, scale: float = 0.05, seed: int = 0) -> FloatArray:
    """White noise [time]."""
    samples: FloatArray = np.random.default_rng(seed).normal(scale=scale, size=round(rate * seconds)).astype(np.float32)
    return samples


def silence(rate: int, seconds: float = 1.0) -> FloatArray:
    return np.zeros(round(rate * seconds), np.float32)


def click(rate: int) -> FloatArray:
    """One sample of full scale in a second of digital silence."""
    samples = silence(rate)
    samples[rate // 2] = 1.0
    return samples


def long_speech(rate: int, minutes: float) -> FloatArray:
    """Speech [time] of the given length: the three clips, repeated."""
    parts = np.concatenate([speech(rate, clip) for clip in range(len(CLIPS))])
    return np.resize(parts, round(60 * minutes * rate))
