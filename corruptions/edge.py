"""Inputs that need no restoration or contain no speech, and clips of unusual length.

- `nothing`: the clip without a change; the target is the same clip.
- `silence`: digital silence; the target is the same.
- `noise-only`: noise at a level without any speech; the target is digital silence.
- `two-talkers`: the clip and a second talker at equal RMS level; the target contains both.
- `duration`: the clip cut, or repeated end to end, to a length; the target likewise.

In all cases but `nothing`, the clip's text is no transcript of the target. The trial then has no text, and no error
rate is computed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.types import Quantity, Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.level import LevelStep
from restorebench.corruptions.options import Range, check_choice, check_range, uniform
from restorebench.corruptions.sources import Recording, Source, draw_noise, draw_voice
from restorebench.corruptions.step import Samples, Sounds, Step

EdgeCase = Literal["nothing", "silence", "noise-only", "two-talkers"]
SOURCE = "RestoreBench: corruptions/edge.py"


class SilenceStep(Step):
    """Input and target become digital silence."""

    name: Literal["silence"] = "silence"
    keeps_words: ClassVar[bool] = False

    def on_pair(self, sounds: Sounds) -> Sounds:
        return replace(sounds, reference=0 * sounds.reference, degraded=0 * sounds.degraded)


class NoiseOnlyStep(Step):
    """The input becomes noise at an RMS level; the target becomes digital silence."""

    name: Literal["noise-only"] = "noise-only"
    keeps_words: ClassVar[bool] = False
    dbfs: float
    """RMS level in dB relative to full scale 1.0."""
    source: Source

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        return {"noise level": Quantity(self.dbfs, "dBFS", 1)}

    def on_pair(self, sounds: Sounds) -> Sounds:
        noise = self.source.samples(len(sounds.degraded), sounds.rate)
        if not np.any(noise):
            raise AudioError(f"the noise is digital silence, so a level of {self.dbfs:g} dBFS is impossible")
        noise = LevelStep(dbfs=self.dbfs).apply(noise, sounds.rate)
        return replace(sounds, reference=0 * sounds.reference, degraded=noise)


class SecondTalkerStep(Step):
    """Adds a second talker at the clip's RMS level to input and target."""

    name: Literal["second-talker"] = "second-talker"
    keeps_words: ClassVar[bool] = False
    voice: Recording

    def on_pair(self, sounds: Sounds) -> Sounds:
        second = self.voice.samples(len(sounds.reference), sounds.rate)
        if not np.any(second):
            raise AudioError("the second talker is digital silence; remove that clip from the corpus")
        second = second * (rms(sounds.reference) / rms(second))
        return replace(sounds, reference=sounds.reference + second, degraded=sounds.degraded + second)


class DurationStep(Step):
    """Cuts input and target to a length, or repeats them end to end up to it."""

    name: Literal["duration"] = "duration"
    keeps_words: ClassVar[bool] = False
    seconds: float = Field(gt=0)

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        return {"duration": Quantity(self.seconds, "s", 1)}

    def on_pair(self, sounds: Sounds) -> Sounds:
        length = samples_for(self.seconds, sounds.rate)
        return replace(
            sounds, reference=np.resize(sounds.reference, length), degraded=np.resize(sounds.degraded, length)
        )


def rms(samples: Samples) -> float:
    """Root mean square of samples [time]."""
    return float(np.sqrt(np.mean(samples**2)))


class Edge(StepChain):
    card = CorruptionCard(
        name="edge",
        version=1,
        summary="Input without a distortion or without speech: case = nothing|silence|noise-only|two-talkers",
        source=SOURCE,
    )

    def __init__(
        self,
        case: EdgeCase = "noise-only",
        dbfs: Range = (-50.0, -20.0),
        noise: str = "pink",
        noise_split: str = "",
    ) -> None:
        """dbfs, noise, noise_split: level and source of the noise in the case `noise-only`."""
        check_choice("case", case, EdgeCase)
        self.case: EdgeCase = case
        self.dbfs = check_range("dbfs", dbfs, -90.0, -10.0)
        self.noise, self.noise_split = noise, noise_split

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        if self.case == "nothing":
            return self.recipe()
        if self.case == "silence":
            return self.recipe(SilenceStep())
        if self.case == "noise-only":
            dbfs = uniform(rng, self.dbfs)
            source = draw_noise(rng, scene, self.noise, self.noise_split)
            return self.recipe(NoiseOnlyStep(dbfs=dbfs, source=source))
        if not scene.others:
            raise RequestError("a second talker needs another clip, and the corpus has none; add clips")
        second = scene.others[int(rng.integers(len(scene.others)))]
        return self.recipe(SecondTalkerStep(voice=draw_voice(rng, scene, second)))


class Duration(StepChain):
    card = CorruptionCard(
        name="duration",
        version=1,
        summary="Clips cut or repeated end to end to a length: seconds; input and target are equal",
        source=SOURCE,
    )

    def __init__(self, seconds: Range = (0.2, 0.5)) -> None:
        self.seconds = check_range("seconds", seconds, 0.05, 3600.0)

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        return self.recipe(DurationStep(seconds=uniform(rng, self.seconds)))
