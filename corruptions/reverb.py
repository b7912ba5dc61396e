"""Reverberation: convolution with a measured or simulated room impulse response (RIR)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.data.locations import audio_files, resolve_uri, sha256_if_readable
from restorebench.benchmark.types import Quantity, Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.options import Range, check_choice, check_range
from restorebench.corruptions.rooms import Room, WhamrRoom, draw_room
from restorebench.corruptions.sources import Channel, draw_channel, load
from restorebench.corruptions.step import Samples, Sounds, Step

Target = Literal["dry", "early"]
EARLY_S = 0.05
HIGHEST_PEAK, LIMITED_PEAK = 0.99, 0.98
SIMULATED: dict[str, type[Room] | type[WhamrRoom]] = {"simulated": Room, "whamr": WhamrRoom}


class Measured(BaseModel):
    """A measured RIR, read from a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["measured"] = "measured"
    uri: str
    sha256: str
    channel: Channel = None

    def impulse_response(self, rate: int) -> Samples:
        return load(self.uri, self.sha256, rate, self.channel)


class ReverbStep(Step):
    name: Literal["reverb"] = "reverb"
    rir: Annotated[Measured | Room | WhamrRoom, Field(discriminator="kind")]
    align: bool = True
    """Shift the RIR so that its largest peak is at sample 0 (decision D12); the samples before it are dropped."""
    normalise: bool = True
    """Scale the RIR so that its largest peak is 1: the direct sound keeps the level of the dry target."""
    target: Target = "dry"
    """early: the reference is convolved with the RIR up to 50 ms after its peak (decision D33)."""
    limited: bool = False
    """If the peak of the wet signal exceeds 0.99, scale the whole signal to a peak of 0.98, as VoiceFixer does. A
    measured RIR with `normalise` raises the level by 5 to 32 dB."""

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        t60_s = getattr(self.rir, "t60_s", None)
        return {} if t60_s is None else {"T60": Quantity(t60_s, "s", 2)}

    def response(self, rate: int) -> Samples:
        """The RIR [time] after normalisation and alignment."""
        rir = self.rir.impulse_response(rate)
        peak = int(np.argmax(np.abs(rir)))
        if self.normalise:
            rir = rir / rir[peak]
        return rir[peak:] if self.align else rir

    def on_pair(self, sounds: Sounds) -> Sounds:
        rir = self.response(sounds.rate)
        wet = convolve(sounds.degraded, rir)
        loudest = float(np.max(np.abs(wet), initial=0.0))
        gain = LIMITED_PEAK / loudest if self.limited and loudest > HIGHEST_PEAK else 1.0
        if self.target == "dry":
            return sounds.with_degraded(gain * wet)
        peak = int(np.argmax(np.abs(rir)))
        early = rir[: peak + round(EARLY_S * sounds.rate)]
        return replace(sounds.with_degraded(gain * wet), reference=gain * convolve(sounds.reference, early))


def convolve(samples: Samples, rir: Samples) -> Samples:
    """The full convolution, cut to the input's length."""
    from scipy import signal

    return np.asarray(signal.fftconvolve(samples, rir))[: len(samples)]


def draw_rir(
    rng: np.random.Generator, scene: Scene, rir: str, split: str, t60_s: tuple[float, float]
) -> Measured | Room | WhamrRoom:
    """A file of the folder `rir`, or a simulated room if `rir` is `simulated` or `whamr` (as in WHAMR!'s scripts)."""
    if rir in SIMULATED:
        return draw_room(rng, scene, t60_s, SIMULATED[rir])
    files = audio_files(rir, split)
    uri = files[int(rng.integers(len(files)))]
    return Measured(uri=uri, sha256=sha256_if_readable(resolve_uri(uri)), channel=draw_channel(rng, uri))


class Reverb(StepChain):
    card = CorruptionCard(
        name="reverb",
        version=1,
        summary="Reverberation: rir = folder|simulated|whamr, t60_s of simulated rooms, align, target dry|early",
        source="VoiceFixer augmentation/magical_effects.py; WHAMR! scripts; decisions D12, D33",
        packages=("pyroomacoustics",),
        extra="rooms",
    )

    def __init__(
        self,
        rir: str = "simulated",
        rir_split: str = "",
        t60_s: Range = (0.2, 1.0),
        align: bool = True,
        normalise: bool = True,
        target: Target = "dry",
    ) -> None:
        self.rir, self.rir_split = rir, rir_split
        self.t60_s = check_range("t60_s", t60_s, 0.05, 5.0)
        self.align, self.normalise = align, normalise
        check_choice("target", target, Target)
        self.target: Target = target

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        rir = draw_rir(rng, scene, self.rir, self.rir_split, self.t60_s)
        return self.recipe(ReverbStep(rir=rir, align=self.align, normalise=self.normalise, target=self.target))
