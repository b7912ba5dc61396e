"""The sounds of a listening test: versions of a clip at one loudness, checks and anchors made from the clean one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from restorebench.benchmark.audio import resample
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.types import Audio
from restorebench.reports.html.sounds import matched_gains
from restorebench.reports.listening.design import CLEAN, NOISY

LOWEST_SNR_DB = -5.0
"""SNR of the clip in loud noise."""
ANCHOR = "lowpass-3500"
ANCHOR_HZ = 3500
"""Cut-off of the hidden low anchor of MUSHRA (ITU-R BS.1534-3, 5.1)."""
BEEP_HZ, BEEP_S, GAP_S, BEEP_LEVEL = 880.0, 0.2, 0.4, 0.1


def matched(versions: Mapping[str, Audio]) -> dict[str, Audio]:
    """The versions at one loudness, clipped at full scale."""
    gains = matched_gains(versions)
    return {
        name: Audio(np.clip(audio.samples * np.float32(gains[name]), -1, 1).astype(np.float32), audio.rate)
        for name, audio in versions.items()
    }


def checks_of(clean: Audio, clip: str) -> dict[str, Audio]:
    """The clean clip, and the clip in white noise at -5 dB SNR."""
    noise = generator("listening noise", clip).standard_normal(len(clean.samples))
    power = np.mean(clean.samples.astype(np.float64) ** 2)
    noise *= np.sqrt(power / np.mean(noise**2)) * 10 ** (-LOWEST_SNR_DB / 20)
    return {CLEAN: clean, NOISY: Audio((clean.samples + noise).astype(np.float32), clean.rate)}


def low_anchor(clean: Audio) -> Audio:
    """The clip, low-pass filtered at 3.5 kHz."""
    narrow = resample(clean.samples, clean.rate, 2 * ANCHOR_HZ)
    return Audio(resample(narrow, 2 * ANCHOR_HZ, clean.rate)[: len(clean.samples)], clean.rate)


def beeps(count: int, rate: int = 16_000) -> Audio:
    """A number of tones of 0.2 s with pauses between them."""
    time = np.arange(round(BEEP_S * rate)) / rate
    tone = BEEP_LEVEL * np.sin(2 * np.pi * BEEP_HZ * time) * np.hanning(len(time))
    tone_and_pause = np.concatenate([tone, np.zeros(round(GAP_S * rate))])
    return Audio(np.tile(tone_and_pause, count).astype(np.float32), rate)
