"""Packet loss: packets of 20 ms replaced by silence, lost in bursts (a two-state Gilbert channel)."""

from __future__ import annotations

from math import ceil
from typing import Literal

import numpy as np
from pydantic import Field

from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Quantity, Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.options import Range, check_number, check_range, uniform
from restorebench.corruptions.step import Samples, Step


class PacketLossStep(Step):
    name: Literal["packet-loss"] = "packet-loss"
    packet_s: float = Field(gt=0)
    bursts: tuple[tuple[int, int], ...]
    """(first lost packet, number of lost packets)."""

    def severities(self, seconds: float | None) -> dict[str, Quantity]:
        if not seconds:
            return {}
        lost = sum(count for _, count in self.bursts) * self.packet_s
        return {"packet loss": Quantity(100 * lost / seconds, "%", 1)}

    def apply(self, samples: Samples, rate: int) -> Samples:
        kept = samples.copy()
        for first, count in self.bursts:
            kept[samples_for(first * self.packet_s, rate) : samples_for((first + count) * self.packet_s, rate)] = 0.0
        return kept


class PacketLoss(StepChain):
    card = CorruptionCard(
        name="packet-loss",
        version=1,
        summary="Silenced packets: loss (share, 0..0.9), mean burst length in packets, packet length in seconds",
        source="Gilbert 1960, two-state channel",
    )

    def __init__(self, loss: Range = (0.05, 0.3), burst: float = 2.0, packet_s: float = 0.02) -> None:
        self.loss = check_range("loss", loss, 0.0, 0.9)
        self.burst = check_number("burst", burst, 1.0, 1000.0)
        self.packet_s = check_number("packet_s", packet_s, 0.001, 1.0)
        most = self.burst / (self.burst + 1)
        if self.loss[1] > most:
            raise RequestError(
                f"loss = {loss!r} cannot be reached with burst = {burst:g}: bursts have at least one packet between "
                f"them; wanted at most {most:.2f}, or longer bursts"
            )

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        loss = uniform(rng, self.loss)
        # A burst begins with probability `enter` and ends with probability `leave`; the stationary share of lost
        # packets is then `loss`.
        leave = 1 / self.burst
        enter = leave * loss / (1 - loss)
        packets = ceil(scene.seconds / self.packet_s)
        bursts: list[tuple[int, int]] = []
        lost = bool(rng.random() < loss)
        for packet in range(packets):
            if lost:
                starts_new = not bursts or sum(bursts[-1]) != packet
                bursts[-1:] = [*bursts[-1:], (packet, 1)] if starts_new else [(bursts[-1][0], bursts[-1][1] + 1)]
            lost = bool(rng.random() >= leave) if lost else bool(rng.random() < enter)
        return self.recipe(PacketLossStep(packet_s=self.packet_s, bursts=tuple(bursts)))
