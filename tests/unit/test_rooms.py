"""Simulated rooms: the reverberation time that is measured in them is the one that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from restorebench.benchmark.contracts import Scene
from restorebench.corruptions.rooms import Room, WhamrRoom, draw_room

pyroomacoustics = pytest.importorskip("pyroomacoustics")
RATE = 16_000


def test_measured_t60_over_fifty_rooms() -> None:
    """Within 10 % on average; single rooms stray further, because Sabine's formula, which WHAMR! uses, is no more exact
    than that: it is too long where walls absorb much, too short where they absorb little."""
    ratios = []
    for seed in range(50):
        room = draw_room(np.random.default_rng(seed), Scene(rate=RATE, seconds=4.0), (0.2, 0.8))
        measured = pyroomacoustics.experimental.measure_rt60(room.impulse_response(RATE), fs=RATE, decay_db=20)
        ratios.append(measured / room.t60_s)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.1)
    assert np.median(ratios) == pytest.approx(1.0, abs=0.1)
    assert np.all((np.array(ratios) > 0.7) & (np.array(ratios) < 1.3))


def test_whamrs_walls_reflect_as_its_scripts_have_it() -> None:
    """In pyroomacoustics 0.3.1 a reflection is (1 - absorption) times as loud; today sqrt(1 - energy absorption)."""
    room = draw_room(np.random.default_rng(0), Scene(rate=RATE, seconds=4.0), (0.2, 1.0), WhamrRoom)
    material = pyroomacoustics.Material(room.absorption)
    assert np.sqrt(1 - material.energy_absorption["coeffs"][0]) == pytest.approx(1 - room.sabine)


def test_whamrs_rooms_decay_faster_than_they_say() -> None:
    """By about half where walls absorb little; geometry is drawn alike."""
    ratios = []
    for seed in range(10):
        scene = Scene(rate=RATE, seconds=4.0)
        room = draw_room(np.random.default_rng(seed), scene, (0.4, 0.8))
        theirs = draw_room(np.random.default_rng(seed), scene, (0.4, 0.8), WhamrRoom)
        assert theirs.model_dump(exclude={"kind"}) == room.model_dump(exclude={"kind"})
        assert isinstance(room, Room)
        measured = pyroomacoustics.experimental.measure_rt60(theirs.impulse_response(RATE), fs=RATE, decay_db=20)
        ratios.append(measured / room.t60_s)
    assert 0.4 < np.mean(ratios) < 0.75


def test_reverb_takes_whamrs_rooms() -> None:
    from restorebench.corruptions.reverb import Reverb, ReverbStep

    effect = Reverb(rir="whamr")
    recipe = effect.draw(np.random.default_rng(1), Scene(rate=RATE, seconds=1.0))
    assert recipe.steps[0]["rir"]["kind"] == "whamr-room"
    assert isinstance(ReverbStep.model_validate(recipe.steps[0]).rir, WhamrRoom)
