"""Golden hashes: 20 recipes render the same samples as when the hashes were recorded."""

import json
from pathlib import Path

import pytest

from restorebench.benchmark.audio import read
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.registry import card, missing_packages
from restorebench.benchmark.run import pairs
from restorebench.benchmark.types import Recipe

GOLDEN = json.loads(Path(__file__).with_name("recipes.json").read_text())


def test_there_are_twenty_golden_recipes_with_an_origin() -> None:
    assert len(GOLDEN["cases"]) == 20
    assert GOLDEN["origin"]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: f"{c['recipe']['corruption']}-{c['clip']}")
def test_a_recipe_renders_the_golden_samples(case: dict[str, str]) -> None:
    recipe = Recipe.from_json(json.dumps(case["recipe"]))
    if absent := missing_packages(card("corruptions", recipe.corruption)):
        pytest.skip(f"{', '.join(absent)} not installed")
    pair = pairs.render(recipe, read(BUNDLE / f"{case['clip']}.flac"))
    assert pair.reference is not None
    assert (pair.reference.sha256(), pair.degraded.sha256()) == (case["reference"], case["degraded"])
