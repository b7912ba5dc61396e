"""Ghost speech: how much of the target's pauses the estimate fills with sound as loud as its quieter speech.

Generative restorers speak where nobody spoke, and no error rate shows it when the recogniser makes no words of it.
Noise that was left in counts too: read it beside DNSMOS BAK. Own definition; no paper has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import FloatArray, Outcome

RATE = 16_000
FRAME, HOP = 512, 256
"""32 ms every 16 ms."""
SPEECH = 95
"""Percentile of the frames' levels that stands for a clip's speech level."""
PAUSE_DB = 45.0
"""Below the target's speech level a frame is a pause."""
GUARD = 3
"""Frames on either side of a pause that must be quiet too: reverberation and filters smear edges."""
SOUND_DB = 25.0
"""Below the estimate's speech level a frame still counts as sound."""


def levels(samples: FloatArray) -> NDArray[np.float64]:
    """Level of each frame in dB."""
    padded = np.pad(samples, (0, max(0, FRAME - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    power = np.mean(frames.astype(np.float64) ** 2, axis=1)
    return np.asarray(10 * np.log10(power + 1e-20))


def pauses(reference: FloatArray) -> NDArray[np.bool_]:
    """Frames in which the target is silent."""
    level = levels(reference)
    loud = level >= np.percentile(level, SPEECH) - PAUSE_DB
    near = np.convolve(loud, np.ones(2 * GUARD + 1), mode="same") > 0
    return ~near


class Ghost:
    card = MetricCard(
        name="ghost",
        version=1,
        summary="Ghost speech: share of the target's pauses that the estimate fills with sound",
        source="RestoreBench: metrics/ghost.py",
        cost=0.001,
        needs=frozenset({"reference"}),
        definition="frame=32ms/16ms|speech=p95|pause=-45dB+-3frames|sound=-25dB|resample=soxr-hq-16k",
        invariant_to_gain=True,
        values=(
            Value(name="ghost", label="Ghost", unit="%", direction="lower", reduction="rate", decimals=1, ideal=0.0),
        ),
    )

    def prepare(self, subject: Subject) -> NDArray[np.bool_]:
        found = pauses(subject.reference.at(RATE))
        if not found.any():
            raise ValueError("the target has no pause")
        return found

    def score(self, prepared: NDArray[np.bool_], estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{"ghost": self._outcome(prepared, clip.at(RATE))} for clip in estimates]

    def _outcome(self, silent: NDArray[np.bool_], samples: FloatArray) -> Outcome:
        level = levels(samples)[: len(silent)]
        sounds = level > np.percentile(level, SPEECH) - SOUND_DB
        filled = float((sounds & silent).sum()) if np.any(samples) else 0.0
        total = float(silent.sum())
        return Outcome(100 * filled / total, {"errors": filled, "total": total})
