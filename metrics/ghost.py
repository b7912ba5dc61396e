"""Ghost speech: share of the target's pauses in which the estimate is less than 25 dB below its own speech.

Generative restorers may add speech in pauses. A word error rate counts such speech only if the recogniser transcribes
it. A frame of the target is a pause if its level is below a threshold, 10 dB above the target's noise floor. A pause
frame is filled if the estimate's level is above this threshold and less than 25 dB below the estimate's level in the
target's speech. Residual noise counts too: compare with DNSMOS BAK. A clip whose target has no pause has no value. The
definition is this project's; the papers do not define such a metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.types import FloatArray, Outcome

RATE = 16_000
FRAME, HOP = 512, 256
"""Frames of 32 ms, 16 ms apart."""
SPEECH = 95
"""Percentile of the frames' levels that defines a clip's speech level."""
NOISE = 5
"""Percentile of the frames' levels that defines the target's noise floor."""
ABOVE_NOISE_DB = 10.0
"""Level above the noise floor from which a frame of the target is no pause."""
DEEPEST_DB, SHALLOWEST_DB = 45.0, 25.0
"""Limits of the pause threshold, in dB below the target's speech level. Without the first, digital silence in a clip
would lower the threshold until slight noise counts as speech; without the second, quiet speech could count as a
pause."""
GUARD = 3
"""Frames on either side of a pause that must be quiet too: reverberation and filters smear edges."""
SOUND_DB = 25.0
"""A frame of the estimate counts as sound if it is less than this many dB below the estimate's speech level."""


@dataclass(frozen=True)
class Target:
    """Pauses and speech of a clip's target, as masks [frame]."""

    pause: NDArray[np.bool_]
    speech: NDArray[np.bool_]
    threshold: float
    """The pause threshold: level in dB from which a frame of the target is speech."""


def levels(samples: FloatArray) -> NDArray[np.float64]:
    """Level of each frame in dB."""
    padded = np.pad(samples, (0, max(0, FRAME - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    power = np.mean(frames.astype(np.float64) ** 2, axis=1)
    return np.asarray(10 * np.log10(power + 1e-20))


def target(reference: FloatArray) -> Target:
    """Speech and pauses of the target; the `GUARD` frames next to speech belong to neither."""
    level = levels(reference)
    noise, speech = np.percentile(level, (NOISE, SPEECH))
    threshold = float(np.clip(noise + ABOVE_NOISE_DB, speech - DEEPEST_DB, speech - SHALLOWEST_DB))
    loud = level >= threshold
    near = np.convolve(loud, np.ones(2 * GUARD + 1), mode="same")[: len(loud)] > 0
    return Target(~near, loud, threshold)


class Ghost:
    card = MetricCard(
        name="ghost",
        version=3,
        summary="Ghost speech: share of the target's pauses that the estimate fills with sound",
        source="RestoreBench: metrics/ghost.py",
        cost=0.001,
        needs=frozenset({"reference"}),
        definition="frame=32ms/16ms|speech=p95|pause=p5+10dB,-45..-25dB+-3frames|sound=-25dB-of-target-frames,no-pause|resample=soxr-hq-16k",
        values=(
            Value(
                name="ghost",
                label="Ghost",
                unit="%",
                direction="lower",
                reduction="rate",
                decimals=1,
                ideal=0.0,
                role="pauses",
            ),
        ),
    )

    def prepare(self, subject: Subject) -> Target:
        pauses = target(subject.reference.at(RATE))
        if not pauses.pause.any():
            raise AudioError("the target has no pause")
        return pauses

    def score(self, prepared: Target, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{"ghost": self._outcome(prepared, clip.at(RATE))} for clip in estimates]

    def _outcome(self, target: Target, samples: FloatArray) -> Outcome:
        level = levels(samples)[: len(target.pause)]
        sound_level = np.percentile(level[target.speech], SPEECH) - SOUND_DB
        filled = float(((level > max(sound_level, target.threshold)) & target.pause).sum())
        total = float(target.pause.sum())
        return Outcome(100 * filled / total, {"errors": filled, "total": total})
