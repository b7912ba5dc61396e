"""Closed forms of noise, clipping and filters."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from restorebench.benchmark.contracts import Scene
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.run.pairs import render
from restorebench.benchmark.types import Audio, Recipe
from restorebench.corruptions.chain import steps_of
from restorebench.corruptions.clipping import ClipStep
from restorebench.corruptions.dns import Dns
from restorebench.corruptions.level import JointLevelStep, LevelStep
from restorebench.corruptions.lowpass import Design, LowPassStep
from restorebench.corruptions.noise import Noise, NoiseStep, SnrDefinition, active_power, crest, noise_gain
from restorebench.corruptions.packet_loss import PacketLoss
from restorebench.corruptions.reverb import Reverb, ReverbStep, Target
from restorebench.corruptions.rooms import Room
from restorebench.corruptions.sources import Coloured
from restorebench.corruptions.step import Samples, Sounds
from restorebench.corruptions.voicefixer import VoiceFixer

RATE = 16_000


def decibel(ratio: float) -> float:
    return 20 * float(np.log10(ratio))


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def tone(level: float = 0.3) -> Samples:
    return level * np.sin(np.arange(2 * RATE) / 7.0) * (1 + np.sin(np.arange(2 * RATE) / 2000.0))


@settings(max_examples=25, deadline=None)
@given(snr_db=st.floats(-10, 40), gain=st.floats(0.3, 1.0))
def test_rms_law_holds_after_joint_scaling(snr_db: float, gain: float) -> None:
    clean = tone()
    step = NoiseStep(snr_db=snr_db, source=Coloured(exponent=1.0, seed=3))
    mixed = step.on_pair(Sounds(clean, clean, RATE))
    scaled = JointLevelStep(peak=gain).on_pair(mixed)
    noise = scaled.degraded - scaled.reference
    assert decibel(rms(scaled.reference) / rms(noise)) == pytest.approx(snr_db, abs=1e-3)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.5])
def test_voicefixer_law_is_a_ratio_of_mean_magnitudes(snr_db: float) -> None:
    speech = tone()
    noise = NoiseStep(snr_db=snr_db, law="voicefixer", source=Coloured(exponent=0.0, seed=1)).noise(speech, RATE)
    assert np.mean(np.abs(speech)) > 0.02
    assert np.mean(np.abs(speech)) / np.mean(np.abs(noise)) == pytest.approx(10 ** (snr_db / 20), rel=1e-9)


def test_voicefixer_law_below_the_gate_is_relative_to_full_scale() -> None:
    quiet = tone(0.001)
    noise = NoiseStep(snr_db=20.0, law="voicefixer", source=Coloured(exponent=0.0, seed=1)).noise(quiet, RATE)
    assert np.max(np.abs(noise)) == pytest.approx(0.1)


def test_active_law_does_not_count_pauses() -> None:
    speech = np.concatenate([tone(), np.zeros(2 * RATE)])
    assert active_power(speech, RATE) == pytest.approx(2 * float(np.mean(speech**2)), rel=0.05)


def test_dns_segmental_law_is_off_by_the_crest_factors() -> None:
    speech, noise = tone(), np.random.default_rng(0).standard_normal(2 * RATE)
    scaled = noise * noise_gain(speech, noise, RATE, 5.0, "dns-segmental")
    bias = decibel(crest(speech)) - decibel(crest(noise))
    assert abs(bias) > 1
    assert decibel(rms(speech) / rms(scaled)) == pytest.approx(5.0 + bias, abs=1e-9)


@pytest.mark.parametrize("law", ["rms", "active", "voicefixer", "dns-segmental"])
def test_silent_noise_adds_nothing(law: SnrDefinition) -> None:
    assert noise_gain(tone(), np.zeros(2 * RATE), RATE, 0.0, law) == 0.0


def test_clipping_of_each_side_by_its_own_extreme() -> None:
    wave = np.interp(np.arange(100), [0, 25, 75, 99], [0.0, 0.8, -0.4, 0.0])
    clipped = ClipStep(ratio=0.5).apply(wave, RATE)
    assert (clipped.min(), clipped.max()) == (pytest.approx(-0.2), pytest.approx(0.4))
    symmetric = ClipStep(ratio=0.5, law="symmetric").apply(wave, RATE)
    assert (symmetric.min(), symmetric.max()) == (pytest.approx(-0.4), pytest.approx(0.4))


ATTENUATION = {  # dB at 2, 4, 4.4, 5, 6, 8 kHz of zero-phase filters at 4 kHz, order 8, 44.1 kHz
    "butter": (0, 6.0, 15.6, 33.4, 61.4, 109),
    "cheby1": (0.07, 0.2, 19.8, 55.3, 95.7, 153),
    "bessel": (5.4, 25.2, 32.1, 44.3, 66.9, 111),
}


def attenuation_db(step: LowPassStep, frequency: float, rate: int = 44_100) -> float:
    """Attenuation in dB of a windowed tone, away from the ends."""
    n = np.arange(rate)
    window = np.hanning(rate)
    wave = np.sin(2 * np.pi * frequency * n / rate) * window
    return -decibel(max(rms(step.apply(wave, rate)) / rms(wave), 1e-9))


@pytest.mark.parametrize("design", sorted(ATTENUATION))
def test_zero_phase_attenuation(design: Design) -> None:
    step = LowPassStep(cutoff_hz=4000, design=design, order=8)
    for frequency, wanted in zip((2000, 4000, 4400, 5000, 6000, 8000), ATTENUATION[design], strict=True):
        assert attenuation_db(step, frequency) == pytest.approx(wanted, abs=max(0.1, 0.01 * wanted)), frequency


def test_elliptic_attenuation() -> None:
    step = LowPassStep(cutoff_hz=4000, design="ellip", order=8)
    for frequency, wanted in ((2000, 0.2), (4000, 0.2), (4400, 56)):
        assert attenuation_db(step, frequency) == pytest.approx(wanted, abs=max(0.15, 0.02 * wanted)), frequency
    assert all(attenuation_db(step, frequency) >= 119.5 for frequency in (5000, 6000, 8000))


def test_order_two_butterworth() -> None:
    step = LowPassStep(cutoff_hz=4000, design="butter", order=2)
    for frequency, wanted in zip((2000, 4000, 4400, 5000, 6000, 8000), (0.5, 6.0, 8.0, 11.1, 16.7, 27.6), strict=True):
        assert attenuation_db(step, frequency) == pytest.approx(wanted, abs=0.1), frequency


@pytest.mark.parametrize("design", ["stft-hard", "polyphase"])
def test_the_other_two_designs_pass_below_and_stop_above(design: Design) -> None:
    step = LowPassStep(cutoff_hz=4000, design=design)
    assert attenuation_db(step, 2000) == pytest.approx(0, abs=0.1)
    assert attenuation_db(step, 6000) > 50


def test_level_reaches_its_target() -> None:
    assert decibel(rms(LevelStep(dbfs=-30.0).apply(tone(), RATE))) == pytest.approx(-30.0)


def test_packet_loss_reaches_its_share() -> None:
    scene = Scene(rate=RATE, seconds=600.0)
    recipe = PacketLoss(loss=0.2, burst=3.0).draw(np.random.default_rng(0), scene)
    bursts = recipe.steps[0]["bursts"]
    lost = sum(count for _, count in bursts)
    assert lost / 30_000 == pytest.approx(0.2, abs=0.02)
    assert lost / len(bursts) == pytest.approx(3.0, abs=0.3)
    most = PacketLoss(loss=0.75, burst=3.0).draw(np.random.default_rng(0), scene)
    assert sum(count for _, count in most.steps[0]["bursts"]) / 30_000 == pytest.approx(0.75, abs=0.02)
    with pytest.raises(RequestError, match=r"loss = 0\.76 cannot be reached with burst = 3: .* wanted at most 0\.75"):
        PacketLoss(loss=0.76, burst=3.0)


def test_dns_does_not_mix_whamrs_rooms_with_others() -> None:
    with pytest.raises(RequestError, match='rir = "whamr" needs p_simulated = 0'):
        Dns(rir="whamr")
    scene = Scene(rate=RATE, seconds=2.0)
    recipe = Dns(rir="whamr", p_simulated=0.0).draw(np.random.default_rng(0), scene)
    assert recipe.steps[0]["rir"]["kind"] == "whamr-room"


ROOM = Room(size_m=(6, 5, 3), source_m=(2, 2, 1.5), microphone_m=(3, 2.5, 1.2), t60_s=0.3)


def test_reverb_is_aligned_to_the_direct_path() -> None:
    impulse = np.zeros(RATE)
    impulse[100] = 1.0
    wet = ReverbStep(rir=ROOM).on_pair(Sounds(impulse, impulse, RATE))
    assert np.argmax(np.abs(wet.degraded)) == 100
    assert wet.degraded[100] == pytest.approx(1.0)
    assert np.array_equal(wet.reference, impulse)
    late = ReverbStep(rir=ROOM, align=False).on_pair(Sounds(impulse, impulse, RATE))
    assert np.argmax(np.abs(late.degraded)) > 140


def test_early_target_keeps_fifty_milliseconds() -> None:
    impulse = np.zeros(RATE)
    impulse[0] = 1.0
    wet = ReverbStep(rir=ROOM, target="early").on_pair(Sounds(impulse, impulse, RATE))
    assert np.allclose(wet.reference[:800], wet.degraded[:800])
    assert np.allclose(wet.reference[801:], 0, atol=1e-9)


def chain(**options: object) -> list[Recipe]:
    corruption = VoiceFixer(**options)  # type: ignore[arg-type]
    scene = Scene(rate=44_100, seconds=3.0)
    return [corruption.draw(np.random.default_rng(seed), scene) for seed in range(400)]


def test_chain_draws_the_papers_ranges_and_probabilities() -> None:
    recipes = chain()
    steps = [step for recipe in recipes for step in recipe.steps]
    snr = [s["snr_db"] for s in steps if s["name"] == "noise"]
    band = [s["cutoff_hz"] for s in steps if s["name"] == "lowpass"]
    ratio = [s["ratio"] for s in steps if s["name"] == "clip"]
    assert (min(snr), max(snr)) == (pytest.approx(-5, abs=0.5), pytest.approx(20, abs=0.5))
    assert (min(band), max(band)) == (pytest.approx(1000, abs=300), pytest.approx(22050, abs=300))
    assert 0.1 <= min(ratio) <= max(ratio) <= 0.5
    assert len(ratio) / 400 == pytest.approx(0.2, abs=0.06)
    assert sum(s["name"] == "reverb" for s in steps) / 400 == pytest.approx(0.3, abs=0.07)
    assert len(snr) == 400


def test_chain_order_and_switches() -> None:
    names = [[s["name"] for s in r.steps] for r in chain(p_clip=1, p_rir=1, p_resample=0)]
    assert names[0] == ["clip", "reverb", "lowpass", "noise", "joint-level"]
    swapped = chain(p_clip=1, p_rir=1, p_resample=0, order="noise-before-lowpass")[0]
    assert [s["name"] for s in swapped.steps] == ["clip", "reverb", "noise", "lowpass", "joint-level"]
    assert swapped.steps[2]["lowpass"] == []
    filtered = chain(p_clip=0, p_rir=0)[0]
    filters = [step for step in filtered.steps if step["name"] == "lowpass"]
    assert filtered.steps[-2]["lowpass"] == filters
    hidden = sum(r.steps[0].get("order") == 2 and 3000 <= r.steps[0]["cutoff_hz"] <= 7000
                 for r in chain(hidden_lowpass=True, p_clip=0, p_rir=0, bandwidth_hz=8000))  # fmt: skip
    assert hidden / 400 == pytest.approx(0.3, abs=0.07)


def test_the_noise_passes_every_filter_of_the_speech() -> None:
    """D15 with the additional polyphase low-pass: the mixture is band-limited, not the speech alone."""
    for recipe in chain(p_clip=0, p_rir=0, p_resample=1, bandwidth_hz=[2000, 8000])[:20]:
        filters = [step for step in recipe.steps if step["name"] == "lowpass"]
        assert [step["design"] for step in filters][1:] == ["polyphase"]
        assert recipe.steps[-2]["lowpass"] == filters


def test_factor_draw_favours_hard_clipping() -> None:
    ratios = {
        how: np.mean([s["ratio"] for r in chain(p_clip=1, clip_draw=how) for s in r.steps if s["name"] == "clip"])
        for how in ("ratio", "factor")
    }
    assert ratios["ratio"] == pytest.approx(0.3, abs=0.02)
    assert ratios["factor"] == pytest.approx(np.log(5) / 8, abs=0.02)  # E[1/f] for f uniform in [2, 10]


def test_joint_level_normalises_the_louder_of_both() -> None:
    recipe = chain(p_clip=0, p_rir=0, gain=0.5)[0]
    pair = VoiceFixer().render(recipe, Audio(tone().astype(np.float32), RATE))
    assert pair.reference is not None
    assert max(np.abs(pair.reference.samples).max(), np.abs(pair.degraded.samples).max()) == pytest.approx(0.5)


def with_silence(folder: Path, loud_s: float, silent_s: float) -> str:
    folder.mkdir()
    rng = np.random.default_rng(0)
    samples = np.concatenate([rng.normal(scale=0.1, size=round(loud_s * RATE)), np.zeros(round(silent_s * RATE))])
    soundfile.write(folder / "noise.wav", samples, RATE, subtype="PCM_16")
    return str(folder)


@pytest.mark.parametrize("law", get_args(SnrDefinition))
def test_noise_that_is_mostly_silent_still_gives_its_ratio(law: SnrDefinition, tmp_path: Path) -> None:
    """The noise file is 1 s of noise and 59 s of silence; no clip may stay clean with a recipe of 5 dB."""
    corruption = Noise(snr_db=(5.0, 5.0), law=law, noise=with_silence(tmp_path / "n", 1, 59))
    scene = Scene(rate=RATE, seconds=2.0)
    for clip in range(12):
        recipe = corruption.draw(generator("silence", str(clip)), scene)
        clean = Audio(tone().astype(np.float32), RATE)
        pair = render(recipe, clean)
        assert pair.reference is not None
        noise = pair.degraded.samples.astype(np.float64) - pair.reference.samples
        speech = pair.reference.samples.astype(np.float64)
        assert np.any(noise)
        if law == "rms":
            assert 10 * np.log10(np.mean(speech**2) / np.mean(noise**2)) == pytest.approx(5.0, abs=0.01)


def test_a_silent_noise_file_is_refused_by_name(tmp_path: Path) -> None:
    corruption = Noise(noise=with_silence(tmp_path / "n", 0, 3))
    with pytest.raises(AudioError, match=r"noise\.wav: is digital silence throughout"):
        corruption.draw(generator("silence"), Scene(rate=RATE, seconds=2.0))


def test_a_channel_of_an_array_is_drawn_into_the_recipe(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "array"
    folder.mkdir()
    impulses = np.zeros((400, 8))
    impulses[100 + 10 * np.arange(8), np.arange(8)] = 1
    soundfile.write(folder / "rir.wav", impulses, RATE)
    scene = Scene(rate=RATE, seconds=2.0)
    recipes = [Reverb(rir=str(folder)).draw(generator("array", str(n)), scene) for n in range(40)]
    channels = {recipe.steps[0]["rir"]["channel"] for recipe in recipes}
    assert channels == set(range(8))
    [step] = steps_of(recipes[0])
    assert isinstance(step, ReverbStep)
    assert np.argmax(step.rir.impulse_response(RATE)) == 100 + 10 * recipes[0].steps[0]["rir"]["channel"]
    soundfile.write(folder / "rir.wav", rng.normal(size=100), RATE)
    mono = Reverb(rir=with_silence(tmp_path / "mono", 1, 0)).draw(generator("mono"), scene)
    assert "channel" not in mono.steps[0]["rir"], "recipes of mono files have no channel"


@pytest.mark.parametrize("target", ["dry", "early"])
def test_reverberant_speech_that_would_clip_is_limited(target: Target) -> None:
    """VoiceFixer limits the level, since reflections add to the direct sound, which keeps the level of dry speech."""
    room = Room(size_m=(3, 3, 2.5), source_m=(1, 1, 1), microphone_m=(2.5, 2.5, 1.5), t60_s=1.0)
    dry = np.sign(tone(0.5)) * 0.5
    pair = Sounds(dry, dry, RATE)
    direct = ReverbStep(rir=room, target=target).on_pair(pair)
    limited = ReverbStep(rir=room, target=target, limited=True).on_pair(pair)
    assert np.abs(direct.degraded).max() > 0.99
    assert np.abs(limited.degraded).max() == pytest.approx(0.98)
    gain = np.abs(limited.degraded).max() / np.abs(direct.degraded).max()
    assert np.allclose(limited.degraded, gain * direct.degraded)
    assert np.allclose(limited.reference, direct.reference * (gain if target == "early" else 1))
    quiet = Sounds(dry / 100, dry / 100, RATE)
    assert np.array_equal(
        ReverbStep(rir=room, limited=True).on_pair(quiet).degraded, ReverbStep(rir=room).on_pair(quiet).degraded
    )


def test_voicefixer_limits_by_default_and_not_with_the_option_direct() -> None:
    scene = Scene(rate=RATE, seconds=2.0)
    for options, limited in (({}, True), ({"rir_level": "direct"}, False)):
        recipe = VoiceFixer(p_rir=1.0, **options).draw(generator("x"), scene)  # type: ignore[arg-type]
        [step] = [step for step in steps_of(recipe) if isinstance(step, ReverbStep)]
        assert step.limited == limited
