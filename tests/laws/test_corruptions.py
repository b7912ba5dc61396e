"""Laws of every registered corruption: recipes are JSON, render the same bits in any order, keep length and rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restorebench.benchmark import registry
from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.contracts import Corruption, Scene
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.data.locations import audio_files
from restorebench.benchmark.registry import missing_packages
from restorebench.benchmark.run import pairs
from restorebench.benchmark.types import Audio, Recipe

NAMES = list(registry.targets_by_name("corruptions"))
OTHERS = tuple(audio_files("demo:"))[:8]


@pytest.fixture(params=NAMES)
def corruption(request: pytest.FixtureRequest) -> Corruption:
    if absent := missing_packages(registry.card("corruptions", request.param)):
        pytest.skip(f"{', '.join(absent)} not installed")
    instance: Corruption = registry.create("corruptions", request.param)
    return instance


def drawn(corruption: Corruption, clip: Audio, count: int = 6) -> list[Recipe]:
    scene = Scene(rate=clip.rate, seconds=clip.seconds, others=OTHERS)
    return [corruption.draw(generator("laws", "clip", corruption.card.name, i), scene) for i in range(count)]


def test_recipes_round_trip_through_json(corruption: Corruption, speech: Audio) -> None:
    for recipe in drawn(corruption, speech):
        parsed = Recipe.from_json(recipe.to_json())
        assert parsed.to_json() == recipe.to_json()
        assert pairs.render(parsed, speech).degraded.sha256() == pairs.render(recipe, speech).degraded.sha256()


def test_the_order_of_rendering_changes_no_bit(corruption: Corruption, speech: Audio) -> None:
    recipes = drawn(corruption, speech)
    forwards = [pairs.render(r, speech).degraded.sha256() for r in recipes]
    backwards = [pairs.render(r, speech).degraded.sha256() for r in reversed(recipes)]
    assert forwards == backwards[::-1]
    assert [r.to_json() for r in drawn(corruption, speech)] == [r.to_json() for r in recipes]


def test_a_corruption_keeps_length_rate_and_the_24_bit_grid(
    corruption: Corruption, speech: Audio, full_band: Audio
) -> None:
    for clip in (speech, full_band, Audio(speech.samples[:400], speech.rate)):
        for recipe in drawn(corruption, clip, 3):
            pair = pairs.render(recipe, clip)
            assert pair.reference is not None
            [length] = [step["seconds"] for step in recipe.steps if step["name"] == "duration"] or [None]
            for side in (pair.reference, pair.degraded):
                assert side.rate == clip.rate
                assert len(side.samples) == (len(clip.samples) if length is None else samples_for(length, clip.rate))
                assert np.array_equal(side.samples * 2**23, np.round(side.samples * 2**23))
                assert np.abs(side.samples).max() <= 1.0


def test_a_corruption_changes_the_sound(corruption: Corruption, speech: Audio) -> None:
    changed = [pairs.render(r, speech).degraded.sha256() for r in drawn(corruption, speech)]
    assert len(set(changed)) > 1
    assert speech.sha256() not in changed


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1), st.integers(0, 10))
def test_streams_are_named_and_independent(name: str, draw: int) -> None:
    values = generator("suite", name, "noise", draw).standard_normal(4)
    assert np.array_equal(values, generator("suite", name, "noise", draw).standard_normal(4))
    assert not np.array_equal(values, generator("suite", name, "noise", draw + 1).standard_normal(4))
