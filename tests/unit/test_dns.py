"""DNS-style mixing with SISE's ranges: drawn parameters, mixtures, and SISE's far-field suite on a small corpus."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from restorebench.benchmark.contracts import Pair, Scene
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.types import Audio, Recipe
from restorebench.corruptions.dns import Dns
from restorebench.corruptions.noise import SnrDefinition, crest
from restorebench.corruptions.step import Samples
from tests.conftest import Cli

RATE = 16_000
DEMO = BUNDLE


def speech() -> Audio:
    samples, rate = soundfile.read(DEMO / "slt_08.flac", dtype="float32")
    assert rate == RATE
    return Audio(samples, rate)


def drawn_and_rendered(effect: Dns, seed: int, clean: Audio) -> tuple[Recipe, Pair]:
    recipe = effect.draw(np.random.default_rng(seed), Scene(rate=RATE, seconds=clean.samples.size / RATE))
    return recipe, effect.render(recipe, clean)


def decibel(samples: Samples) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


def step(recipe: Recipe, name: str) -> dict[str, Any]:
    [only] = [step for step in recipe.steps if step["name"] == name]
    return dict(only)


def test_draws_cover_sises_ranges() -> None:
    effect = Dns()
    scene = Scene(rate=RATE, seconds=3.0)
    recipes = [effect.draw(np.random.default_rng(seed), scene) for seed in range(400)]
    snr = np.array([step(r, "noise")["snr_db"] for r in recipes])
    level = np.array([step(r, "joint-rms")["dbfs"] for r in recipes])
    for drawn, (low, high) in ((snr, (-10, 20)), (level, (-35, -15))):
        assert low <= drawn.min() < low + 0.5
        assert high - 0.5 < drawn.max() <= high
        assert drawn.mean() == pytest.approx((low + high) / 2, abs=1.2)
    for recipe in recipes:
        assert step(recipe, "reverb")["target"] == "dry"
        assert step(recipe, "reverb")["align"] is True


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_snr_and_level_are_what_the_recipe_says(seed: int) -> None:
    recipe, pair = drawn_and_rendered(Dns(p_rir=0.0), seed, speech())
    assert pair.reference is not None
    mixture, target = pair.degraded.samples, pair.reference.samples
    assert decibel(target) - decibel(mixture - target) == pytest.approx(step(recipe, "noise")["snr_db"], abs=0.01)
    wanted = step(recipe, "joint-rms")["dbfs"]
    limited = np.max(np.abs(mixture)) > 0.98
    assert decibel(mixture) == pytest.approx(wanted, abs=0.01) or (limited and decibel(mixture) < wanted)


def test_the_snr_of_the_dns_script_is_off_by_the_crest_factors() -> None:
    """The DNS script normalises both peaks before it sets the SNR; the law `dns-segmental` has the same bias (D34)."""
    clean, snr_db_by_law = Audio(speech().samples.clip(-0.1, 0.1), RATE), {}
    laws: tuple[SnrDefinition, ...] = ("rms", "dns-segmental")
    for law in laws:
        _, pair = drawn_and_rendered(Dns(p_rir=0.0, snr_db=(5.0, 5.0), snr_law=law), 3, clean)
        assert pair.reference is not None
        noise = pair.degraded.samples - pair.reference.samples
        snr_db_by_law[law] = decibel(pair.reference.samples) - decibel(noise)
    bias = 20 * np.log10(crest(clean.samples) / crest(noise))
    assert snr_db_by_law["rms"] == pytest.approx(5.0, abs=0.01)
    assert abs(bias) > 1.0
    assert snr_db_by_law["dns-segmental"] == pytest.approx(5.0 + bias, abs=0.02)


def test_the_target_is_dry_and_an_option_adds_the_early_reflections() -> None:
    clean = speech()
    _, dry = drawn_and_rendered(Dns(snr_db=(60.0, 60.0)), 5, clean)
    _, early = drawn_and_rendered(Dns(snr_db=(60.0, 60.0), target="early"), 5, clean)
    assert dry.reference is not None
    assert early.reference is not None
    correlation = float(np.corrcoef(dry.reference.samples, clean.samples)[0, 1])
    assert correlation > 0.9999
    assert float(np.corrcoef(early.reference.samples, clean.samples)[0, 1]) < correlation
    assert float(np.corrcoef(dry.degraded.samples, clean.samples)[0, 1]) < 0.99


def test_sises_far_field_suite_runs_on_prompts(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled suite runs unchanged on a small folder in the SeedTTS layout."""
    prompts = tmp_path / "seedtts_testset" / "en" / "prompt-wavs"
    prompts.mkdir(parents=True)
    (tmp_path / "dns_noise").mkdir()
    lines = []
    for name in ("slt_08", "kal16_05"):
        shutil.copy(DEMO / f"{name}.flac", prompts / f"{name}.flac")
        lines.append(f"{name}-x|A text.|prompt-wavs/{name}.flac|Another text.")
    (prompts.parent / "meta.lst").write_text("\n".join(lines) + "\n")
    noise = 0.1 * np.random.default_rng(0).standard_normal(8 * RATE)
    soundfile.write(tmp_path / "dns_noise" / "n.wav", noise, RATE)
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path))
    store = str(tmp_path / "store")
    done = cli(
        "run", "sise-table1-seedtts-en", "--systems", "unprocessed,target", "--metrics", "si_sdr", "--store", store
    )
    assert done.returncode == 0, done.stderr
    board = cli("board", store)
    assert "unprocessed" in board.stdout
