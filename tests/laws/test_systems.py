"""Laws over every registered system that runs: it keeps length and rate, is repeatable, and batch = single."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark import registry
from restorebench.benchmark.audio import resample
from restorebench.benchmark.components import system_of, why_not
from restorebench.benchmark.contracts import Supplied, System
from restorebench.benchmark.run.restore import restore_audio
from restorebench.benchmark.types import Audio, Pair, Trial, Utterance

CARDS = {name: registry.card("systems", name) for name in registry.targets_by_name("systems")}
READY = [n for n, card in CARDS.items() if card.kind == "system" and not card.checkpoint]  # type: ignore[attr-defined]
UNTRAINED = ["dccrn", "masksr", "sise", "sise-wo-dis"]
"""Systems that run from a checkpoint, here one of random weights: they keep the contract, but restore nothing."""
RNG = np.random.default_rng(0)


@pytest.fixture(params=[*READY, *UNTRAINED])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    name = request.param
    if name in UNTRAINED:
        pytest.importorskip("torch")
        from tests.tiny import random_checkpoint, random_dccrn, random_sise

        path = tmp_path / "random.safetensors"
        if name in ("sise", "sise-wo-dis"):
            random_sise(path, semantic=name == "sise")
        else:
            {"dccrn": random_dccrn, "masksr": random_checkpoint}[name](path)
        name = f"{name}@{path}"
    if why := why_not("systems", name):
        pytest.skip(f"{name}: {why}")
    component = system_of(name)
    assert isinstance(component, System)
    return component


@pytest.fixture
def trained(system: System) -> System:
    if system.card.checkpoint:
        pytest.skip("random weights")
    return system


def test_every_system_is_under_these_laws() -> None:
    """A system that runs from a checkpoint shares its code with one of the names above."""
    from restorebench.systems.dccrn.system import DccrnRow
    from restorebench.systems.masksr.rows import Variant
    from restorebench.systems.sise.rows import SiseRow

    left = {n for n, card in CARDS.items() if card.checkpoint}  # type: ignore[attr-defined]
    assert {n for n in left if isinstance(registry.find("systems", n), DccrnRow | Variant | SiseRow)} == left


def rates(system: System) -> list[int]:
    return [system.card.rate] if system.card.rate else [8_000, 16_000, 44_100, 48_000]


@pytest.mark.parametrize("samples", [1, 160, 5_001, 16_000, 33_333])
def test_keeps_length_and_rate(system: System, samples: int) -> None:
    for rate in rates(system):
        [made] = system.restore([Audio(RNG.normal(scale=0.1, size=samples).astype(np.float32), rate)], [0])
        assert (len(made.samples), made.rate) == (samples, rate)
        assert np.isfinite(made.samples).all()


def test_repeatable_and_batch_is_single(system: System, speech: Audio) -> None:
    speech = Audio(resample(speech.samples, speech.rate, rates(system)[-1]), rates(system)[-1])
    other = Audio(speech.samples[::-1].copy(), speech.rate)
    together = system.restore([speech, other], [1, 2])
    alone = [system.restore([audio], [seed])[0] for audio, seed in ((speech, 1), (other, 2))]
    again = system.restore([speech, other], [1, 2])
    for a, b, c in zip(together, alone, again, strict=True):
        assert np.array_equal(a.samples, b.samples)
        assert np.array_equal(a.samples, c.samples)


def test_silence_stays_finite_and_quiet(trained: System) -> None:
    for rate in rates(trained):
        [made] = trained.restore([Audio(np.zeros(rate, np.float32), rate)], [0])
        assert np.isfinite(made.samples).all()
        assert np.abs(made.samples).max() < 0.05


def best_lag(made: np.ndarray, given: np.ndarray) -> int:
    """Samples that `made` comes later than `given`, by cross-correlation."""
    size = 2 * len(given)
    lag = int(np.argmax(np.fft.irfft(np.fft.rfft(made, size) * np.conj(np.fft.rfft(given, size)))))
    return lag if lag < size // 2 else lag - size


def loudness(samples: np.ndarray) -> np.ndarray:
    """RMS over 10 ms around every millisecond, less its mean."""
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(160) / 160, mode="same")[::16]
    return np.sqrt(power) - np.sqrt(power).mean()


def test_does_not_delay(trained: System, speech: Audio) -> None:
    """What is loud stays where it is, within the 5 ms of half a codec subframe; and where the waveform is kept, it is
    kept to the sample. Our own codec makes speech anew from its pitch, so that its waveform is another."""
    made, _ = restore_audio(trained, speech, 0)
    assert abs(best_lag(loudness(made.samples), loudness(speech.samples))) <= 5
    if type(trained).__name__ not in ("MaskSrSystem", "SiseSystem"):
        assert best_lag(made.samples, speech.samples) == 0


def test_anchors_and_finished_audio_are_supplied(speech: Audio) -> None:
    pair = Pair(reference=speech, degraded=Audio(speech.samples * np.float32(0.5), speech.rate))
    clip = Trial("s", "c", Utterance(id="x", uri="x.wav"), None, "key")
    for name, wanted in (("target", pair.reference), ("unprocessed", pair.degraded)):
        anchor = system_of(name)
        assert isinstance(anchor, Supplied)
        assert anchor.supply(clip, pair) is wanted
    assert not system_of("published:Nobody").offers(clip)  # type: ignore[union-attr]


def test_inputs_are_not_changed(system: System, speech: Audio) -> None:
    given = Audio(speech.samples.copy(), speech.rate)
    system.restore([given], [0])
    assert np.array_equal(given.samples, speech.samples)
