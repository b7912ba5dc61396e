"""One sound for metrics: it is decoded once, and each derived representation is computed once and shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from restorebench.benchmark.audio import resample
from restorebench.benchmark.types import Audio, FloatArray

T = TypeVar("T")


class SharedClip:
    """Implements `contracts.Clip`. Exists only while its trial is scored."""

    def __init__(self, audio: Audio, seconds: float | None = None) -> None:
        self.audio = audio
        self.seconds = seconds
        self._cache: dict[str, Any] = {}

    def at(self, rate: int) -> FloatArray:
        view: FloatArray = self.once(f"at {rate}", lambda: resample(self.audio.samples, self.audio.rate, rate))
        return view

    def once(self, name: str, compute: Callable[[], T]) -> T:
        if name not in self._cache:
            self._cache[name] = compute()
        result: T = self._cache[name]
        return result
