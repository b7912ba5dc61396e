"""Simulated rooms: their measured reverberation time is the requested one."""

from __future__ import annotations

import numpy as np
import pytest

from restorebench.benchmark.contracts import Scene
from restorebench.corruptions.rooms import Room, WhamrRoom, draw_room

pyroomacoustics = pytest.importorskip("pyroomacoustics")
RATE = 16_000


def test_measured_t60_of_fifty_rooms_is_the_requested_one_on_average() -> None:
    """Within 10 % on average. Single rooms deviate by up to 30 %, because Sabine's formula, which WHAMR! uses, is
    inexact: its T60 is too long where the walls absorb much, and too short where they absorb little."""
    ratios = []
    for seed in range(50):
        room = draw_room(np.random.default_rng(seed), Scene(rate=RATE, seconds=4.0), (0.2, 0.8))
        measured = pyroomacoustics.experimental.measure_rt60(room.impulse_response(RATE), fs=RATE, decay_db=20)
        ratios.append(measured / room.t60_s)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.1)
    assert np.median(ratios) == pytest.approx(1.0, abs=0.1)
    assert np.all((np.array(ratios) > 0.7) & (np.array(ratios) < 1.3))


def test_walls_of_whamr_rooms_reflect_as_in_its_scripts() -> None:
    """Amplitude of a reflection: 1 - absorption in pyroomacoustics 0.3.1; now sqrt(1 - energy absorption)."""
    room = draw_room(np.random.default_rng(0), Scene(rate=RATE, seconds=4.0), (0.2, 1.0), WhamrRoom)
    material = pyroomacoustics.Material(room.absorption)
    assert np.sqrt(1 - material.energy_absorption["coeffs"][0]) == pytest.approx(1 - room.sabine)


def test_whamr_rooms_decay_faster_than_their_nominal_t60() -> None:
    """Their T60 is about half the nominal T60 where walls absorb little. Their geometry is that of other rooms."""
    ratios = []
    for seed in range(10):
        scene = Scene(rate=RATE, seconds=4.0)
        room = draw_room(np.random.default_rng(seed), scene, (0.4, 0.8))
        whamr_room = draw_room(np.random.default_rng(seed), scene, (0.4, 0.8), WhamrRoom)
        assert whamr_room.model_dump(exclude={"kind"}) == room.model_dump(exclude={"kind"})
        assert isinstance(room, Room)
        measured = pyroomacoustics.experimental.measure_rt60(whamr_room.impulse_response(RATE), fs=RATE, decay_db=20)
        ratios.append(measured / room.t60_s)
    assert 0.4 < np.mean(ratios) < 0.75


def test_reverb_accepts_whamr_rooms() -> None:
    from restorebench.corruptions.reverb import Reverb, ReverbStep

    effect = Reverb(rir="whamr")
    recipe = effect.draw(np.random.default_rng(1), Scene(rate=RATE, seconds=1.0))
    assert recipe.steps[0]["rir"]["kind"] == "whamr-room"
    assert isinstance(ReverbStep.model_validate(recipe.steps[0]).rir, WhamrRoom)
