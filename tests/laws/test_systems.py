"""Laws of every system that can run: length and rate are kept; outputs repeat, and are equal in a batch and alone."""

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
"""Systems that need a checkpoint. With random weights they fulfil the contract, but restore nothing."""
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
        pytest.skip("the system has random weights")
    return system


def test_every_system_is_covered_by_these_laws() -> None:
    """Every system that needs a checkpoint is an instance of a class that UNTRAINED covers."""
    from restorebench.systems.dccrn.system import DccrnRow
    from restorebench.systems.masksr.rows import Variant
    from restorebench.systems.sise.rows import SiseRow

    names = {n for n, card in CARDS.items() if card.checkpoint}  # type: ignore[attr-defined]
    assert {n for n in names if isinstance(registry.find("systems", n), DccrnRow | Variant | SiseRow)} == names


def rates(system: System) -> list[int]:
    return [system.card.rate] if system.card.rate else [8_000, 16_000, 44_100, 48_000]


@pytest.mark.parametrize("samples", [1, 160, 5_001, 16_000, 33_333])
def test_length_and_rate_are_kept(system: System, samples: int) -> None:
    for rate in rates(system):
        [restored] = system.restore([Audio(RNG.normal(scale=0.1, size=samples).astype(np.float32), rate)], [0])
        assert (len(restored.samples), restored.rate) == (samples, rate)
        assert np.isfinite(restored.samples).all()


def test_outputs_are_repeatable_and_equal_in_a_batch_and_alone(system: System, speech: Audio) -> None:
    speech = Audio(resample(speech.samples, speech.rate, rates(system)[-1]), rates(system)[-1])
    other = Audio(speech.samples[::-1].copy(), speech.rate)
    together = system.restore([speech, other], [1, 2])
    alone = [system.restore([audio], [seed])[0] for audio, seed in ((speech, 1), (other, 2))]
    again = system.restore([speech, other], [1, 2])
    for in_batch, single, repeated in zip(together, alone, again, strict=True):
        assert np.array_equal(in_batch.samples, single.samples)
        assert np.array_equal(in_batch.samples, repeated.samples)


def test_silence_stays_finite_and_quiet(trained: System) -> None:
    for rate in rates(trained):
        [restored] = trained.restore([Audio(np.zeros(rate, np.float32), rate)], [0])
        assert np.isfinite(restored.samples).all()
        assert np.abs(restored.samples).max() < 0.05


def best_lag(output: np.ndarray, source: np.ndarray) -> int:
    """The delay of `output` relative to `source` in samples, by cross-correlation."""
    size = 2 * len(source)
    lag = int(np.argmax(np.fft.irfft(np.fft.rfft(output, size) * np.conj(np.fft.rfft(source, size)))))
    return lag if lag < size // 2 else lag - size


def loudness(samples: np.ndarray) -> np.ndarray:
    """RMS of a 16 kHz signal over 10 ms at every millisecond, minus its mean."""
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(160) / 160, mode="same")[::16]
    return np.sqrt(power) - np.sqrt(power).mean()


def test_no_system_delays_its_input(trained: System, speech: Audio) -> None:
    """The loudness contour is delayed by at most 5 ms, which is half a codec subframe. A system that keeps the waveform
    delays it by 0 samples. Our own codec synthesises speech from its pitch, and so does not keep the waveform."""
    restored, _ = restore_audio(trained, speech, 0)
    assert abs(best_lag(loudness(restored.samples), loudness(speech.samples))) <= 5
    if type(trained).__name__ not in ("MaskSrSystem", "SiseSystem"):
        assert best_lag(restored.samples, speech.samples) == 0


def test_anchors_supply_the_pairs_sounds_and_an_absent_folder_offers_none(speech: Audio) -> None:
    pair = Pair(reference=speech, degraded=Audio(speech.samples * np.float32(0.5), speech.rate))
    clip = Trial("s", "c", Utterance(id="x", uri="x.wav"), None, "key")
    for name, wanted in (("target", pair.reference), ("unprocessed", pair.degraded)):
        anchor = system_of(name)
        assert isinstance(anchor, Supplied)
        assert anchor.supply(clip, pair) is wanted
    assert not system_of("published:Nobody").offers(clip)  # type: ignore[union-attr]


def test_inputs_are_not_changed(system: System, speech: Audio) -> None:
    source = Audio(speech.samples.copy(), speech.rate)
    system.restore([source], [0])
    assert np.array_equal(source.samples, speech.samples)
