"""Real-time factor: seconds of processing per second of audio, measured once while the system runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import Outcome


class Rtf:
    card = MetricCard(
        name="rtf",
        version=1,
        summary="Real-time factor on one core: seconds of processing per second of audio",
        source="this project",
        needs=frozenset({"seconds"}),
        definition="threads=1|resampling=excluded|loading=excluded",
        values=(
            Value(
                name="rtf",
                label="RTF",
                unit="x",
                direction="lower",
                reduction="rate",
                decimals=3,
                role="speed",
                headline=True,
            ),
        ),
    )

    def prepare(self, subject: Subject) -> None:
        return None

    def score(self, prepared: Any, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{"rtf": self._rtf(clip)} for clip in estimates]

    def _rtf(self, clip: Clip) -> Outcome:
        if clip.seconds is None:
            return Outcome(None, why="no processing time: the sound was supplied, and no system was run")
        audio_seconds = clip.audio.seconds
        # A rate divides the sum of `errors` (here seconds of processing) by the sum of `total` (seconds of audio).
        return Outcome(clip.seconds / audio_seconds, {"errors": clip.seconds, "total": audio_seconds})
