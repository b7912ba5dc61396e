"""Simulated shoebox rooms by the image method (pyroomacoustics): one source, one microphone, one wall absorption.

The absorption is computed from the nominal T60 by Sabine's formula. The ranges of the geometry are those of WHAMR!.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, cos, log, pi, sin
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from restorebench.benchmark.contracts import Scene
from restorebench.corruptions.step import Samples

SPEED_OF_SOUND = 343.0


class _Shoebox(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    size_m: tuple[float, float, float]
    source_m: tuple[float, float, float]
    microphone_m: tuple[float, float, float]
    t60_s: float
    """Nominal reverberation time by Sabine's formula."""

    @property
    def sabine(self) -> float:
        """Sabine's absorption 24 ln(10) V / (c S T60), at most 0.999."""
        return min(0.999, self._wanted_absorption)

    @property
    def reaches_t60(self) -> bool:
        """Whether the nominal T60 needs an absorption below 1; if not, the simulated T60 exceeds the nominal T60."""
        return self._wanted_absorption < 1

    @property
    def _wanted_absorption(self) -> float:
        x, y, z = self.size_m
        surface = 2 * (x * y + x * z + y * z)
        return 24 * log(10) * x * y * z / (SPEED_OF_SOUND * surface * self.t60_s)


class Room(_Shoebox):
    kind: Literal["room"] = "room"

    @property
    def absorption(self) -> float:
        """Energy absorption of the walls, for the nominal T60."""
        return self.sabine

    def impulse_response(self, rate: int) -> Samples:
        """[time], cut at T60."""
        return simulate(self, rate, highpass=True)


class WhamrRoom(_Shoebox):
    """A room as in WHAMR!'s scripts, which pin pyroomacoustics 0.3.1.

    In that version `absorption` is a loss of amplitude, so that a wall reflects (1 - a)^2 of the energy and the room
    decays faster than its nominal T60. Impulse responses are not high-pass filtered.
    """

    kind: Literal["whamr-room"] = "whamr-room"

    @property
    def absorption(self) -> float:
        return 1 - (1 - self.sabine) ** 2

    def impulse_response(self, rate: int) -> Samples:
        """[time], cut at the nominal T60."""
        return simulate(self, rate, highpass=False)


SIMULATED_KINDS: dict[str, type[Room] | type[WhamrRoom]] = {"room": Room, "whamr-room": WhamrRoom}
"""Room types by their `kind` in recipes."""


@lru_cache(maxsize=8)
def simulate(room: Room | WhamrRoom, rate: int, highpass: bool) -> Samples:
    import pyroomacoustics

    pyroomacoustics.constants.set("num_threads", 1)  # results depend on the number of threads
    pyroomacoustics.constants.set("rir_hpf_enable", highpass)
    order = ceil(room.t60_s * SPEED_OF_SOUND / min(room.size_m))
    shoebox = pyroomacoustics.ShoeBox(
        list(room.size_m),
        fs=rate,
        materials=pyroomacoustics.Material(room.absorption),
        max_order=order,
        air_absorption=False,
    )
    shoebox.add_source(list(room.source_m))
    shoebox.add_microphone(list(room.microphone_m))
    shoebox.compute_rir()
    response = np.asarray(shoebox.rir[0][0], dtype=np.float64)
    return response[: ceil(room.t60_s * rate)]


def draw_room(
    rng: np.random.Generator, scene: Scene, t60_s: tuple[float, float], room_type: type[Room] | type[WhamrRoom] = Room
) -> Room | WhamrRoom:
    """A room of 5-10 × 5-10 × 3-4 m, microphone near its middle, source at 0.66-2 m horizontal distance."""
    size = (float(rng.uniform(5, 10)), float(rng.uniform(5, 10)), float(rng.uniform(3, 4)))
    microphone = (
        size[0] / 2 + float(rng.uniform(-0.2, 0.2)),
        size[1] / 2 + float(rng.uniform(-0.2, 0.2)),
        float(rng.uniform(0.9, 1.8)),
    )
    distance, azimuth = float(rng.uniform(0.66, 2.0)), float(rng.uniform(0, 2 * pi))
    source = (
        microphone[0] + distance * cos(azimuth),
        microphone[1] + distance * sin(azimuth),
        float(rng.uniform(0.9, 1.8)),
    )
    return room_type(size_m=size, source_m=source, microphone_m=microphone, t60_s=float(rng.uniform(*t60_s)))
