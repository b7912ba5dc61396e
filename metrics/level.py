"""Level error: how far the level of an estimate is from that of its reference.

It is also defined for a reference of digital silence, so that it measures how a restorer changes a clip of noise only:
levels below -80 dBFS count as -80 dBFS, and the error of noise that is left unchanged at -40 dBFS is 40 dB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import FloatArray, Outcome

FLOOR_DBFS = -80.0


class LevelError:
    card = MetricCard(
        name="level_error",
        version=1,
        summary="Difference in dB between the RMS levels of estimate and reference, with a floor of -80 dBFS",
        source="RestoreBench: metrics/level.py",
        cost=0.0001,
        needs=frozenset({"reference"}),
        definition="|rms dB - rms dB of reference|, floor -80 dBFS, own rate",
        values=(
            Value(
                name="level_error", label="Level error", unit="dB", direction="lower", decimals=1, ideal=0.0, margin=1.0
            ),
        ),
    )

    def prepare(self, subject: Subject) -> float:
        return level_dbfs(subject.reference.audio.samples)

    def score(self, prepared: float, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        errors = [abs(level_dbfs(clip.audio.samples) - prepared) for clip in estimates]
        return [{"level_error": Outcome(error)} for error in errors]


def level_dbfs(samples: FloatArray) -> float:
    """RMS level of samples [time] in dB relative to full scale 1.0, at least -80 dBFS."""
    power = float(np.mean(samples.astype(np.float64) ** 2))
    return max(10 * np.log10(power), FLOOR_DBFS) if power > 0 else FLOOR_DBFS
