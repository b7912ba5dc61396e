"""Metrics against their published scorers, or against literal transcriptions of their formulas, on bundled speech."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from restorebench.benchmark.audio import read, resample
from restorebench.benchmark.components import why_not
from restorebench.benchmark.contracts import Subject
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.types import Audio, FloatArray
from restorebench.metrics.dnsmos import fourier_basis, mel_basis, models
from restorebench.metrics.mel import mel_energies

CLIPS = [read(BUNDLE / f"{name}.flac") for name in ("kal16_01", "awb_02", "rms_03", "slt_04")]


def noisy(clip: Audio, snr_db: float = 10.0) -> Audio:
    noise = np.random.default_rng(0).standard_normal(len(clip.samples))
    gain = np.sqrt(np.mean(clip.samples**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return Audio((clip.samples + gain * noise).astype(np.float32), clip.rate)


def values(name: str, reference: Audio, estimate: Audio, text: str | None = None) -> dict[str, float]:
    subject = Subject(reference=SharedClip(reference), text=text)
    [outcomes] = score(metric(name), subject, [SharedClip(estimate)])
    assert not any(outcome.why for outcome in outcomes.values()), outcomes
    return {value: float(outcome.value or 0.0) for value, outcome in outcomes.items()}


def of_length(seconds: float) -> FloatArray:
    """Noisy speech of the given length at 16 kHz."""
    joined = np.concatenate([noisy(clip).samples for clip in CLIPS * 5])
    return joined[: round(seconds * 16_000)]


@pytest.mark.parametrize("seconds", [0.1, 1.05, 2.0, 2.26, 2.3457, 3.005, 9.0, 12.7, 24.9, 34.6])
def test_dnsmos_equals_speechmos(seconds: float) -> None:
    """Repeated clips, one window, many windows, and lengths at which the published script skips windows by rounding."""
    from speechmos import dnsmos

    samples = of_length(seconds)
    wanted = dnsmos.run(np.clip(samples, -1, 1), 16_000)
    measured = values("dnsmos", Audio(samples, 16_000), Audio(samples, 16_000))
    for ours, theirs in (("sig", "sig_mos"), ("bak", "bak_mos"), ("ovl", "ovrl_mos"), ("p808", "p808_mos")):
        assert measured[f"dnsmos.{ours}"] == pytest.approx(float(wanted[theirs]), abs=1e-3)


def test_dnsmos_with_a_shared_trunk_equals_the_whole_network() -> None:
    """Shared trunk and separate edges against the whole network on each window."""
    from restorebench.metrics.dnsmos import P835_SHA256, WINDOW, _pinned, full_starts
    from restorebench.metrics.onnx_session import session

    samples = of_length(13.3)
    starts = full_starts(len(samples))
    whole = session(_pinned("sig_bak_ovr.onnx", P835_SHA256))
    wanted = np.concatenate([whole.run(None, {"input_1": samples[None, s : s + WINDOW]})[0] for s in starts])
    assert np.allclose(models().p835(samples, starts), wanted, atol=1e-4)


@pytest.mark.parametrize("samples", [320, 16_160, 32_000, 36_160, 40_160])
def test_dnsmos_computes_one_period_of_a_repeated_clip(samples: int) -> None:
    from restorebench.metrics.dnsmos import full_starts, repeated

    clip = of_length(3.0)[:samples]
    signal = repeated(clip)
    starts = full_starts(len(signal))
    frames: list[int] = []
    trunk = models().trunk

    def counting_trunk(spectra: FloatArray) -> FloatArray:
        frames.append(spectra.shape[0] * spectra.shape[1])
        return trunk(spectra)

    models().trunk = counting_trunk  # type: ignore[method-assign]
    try:
        periodic = models().p835(signal, starts, len(clip))
        assert sum(frames) <= 2 * samples / 160 + len(starts) * 16 + 20
    finally:
        models().trunk = trunk  # type: ignore[method-assign]
    assert np.allclose(periodic, models().p835(signal, starts), atol=2e-5)


def test_mel_energies_equal_librosas() -> None:
    samples = of_length(3.0)
    wanted = librosa.feature.melspectrogram(y=samples, sr=16_000, n_fft=400, hop_length=160, n_mels=40)
    energies = mel_energies(samples, 16_000, 400, 160, 40, np.hanning(401)[:-1], centred=True)
    assert np.allclose(energies, wanted, rtol=1e-5, atol=0)
    short = {"n_fft": 512, "win_length": 400, "window": "hamming", "center": False}
    wanted = librosa.feature.melspectrogram(y=samples, sr=16_000, hop_length=160, n_mels=40, **short)
    energies = mel_energies(samples, 16_000, 512, 160, 40, np.hamming(401)[:-1], centred=False)
    assert np.allclose(energies, wanted, rtol=1e-5, atol=0)


def test_the_front_end_of_dnsmos_equals_librosas() -> None:
    """Our Fourier matrix against librosa's FFT of odd length."""
    samples = of_length(3.0)
    wanted = librosa.feature.melspectrogram(y=samples, sr=16_000, n_fft=321, hop_length=160, n_mels=120)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, 160), 321)[::160]
    real, imaginary = np.split(frames @ fourier_basis(), 2, axis=1)
    assert np.allclose(((real**2 + imaginary**2) @ mel_basis()).T, wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_lsd_equals_the_published_formula(rate: int) -> None:
    """The formula of ssr_eval @7129ee8 metrics.py, transcribed with librosa; the window is scaled to the rate."""
    target, estimate = (resample(clip.samples, clip.rate, rate) for clip in (CLIPS[1], noisy(CLIPS[1], 20.0)))
    hop, size = int(rate / 100), int(2048 * rate / 44100)
    t, e = (np.abs(librosa.stft(x, hop_length=hop, n_fft=size)) for x in (target, estimate))
    ratio = np.log10(t**2 / ((e + 1e-12) ** 2) + 1e-12) ** 2
    wanted = np.mean(np.mean(ratio, axis=0) ** 0.5)
    measured = values("lsd", Audio(target, rate), Audio(estimate, rate))
    assert measured["lsd"] == pytest.approx(float(wanted), abs=1e-3)


def test_lsd_active_equals_its_definition() -> None:
    target, estimate = CLIPS[3].samples, noisy(CLIPS[3], 20.0).samples
    t, e = (np.abs(librosa.stft(x, hop_length=160, n_fft=743)) ** 2 for x in (target, estimate))
    floor, energy, total, frames = t.max() * 1e-10, t.sum(axis=0), 0.0, 0
    for frame in range(t.shape[1]):
        if energy[frame] >= energy.max() * 1e-4:
            bins = [
                np.log10(max(a, floor)) - np.log10(max(b, floor)) for a, b in zip(t[:, frame], e[:, frame], strict=True)
            ]
            total, frames = total + np.sqrt(np.mean(np.square(bins))), frames + 1
    measured = values("lsd@active", CLIPS[3], noisy(CLIPS[3], 20.0))
    assert measured["lsd@active"] == pytest.approx(total / frames, abs=1e-3)


@pytest.mark.parametrize("clip", CLIPS)
def test_pesq_equals_its_package(clip: Audio) -> None:
    pesq = pytest.importorskip("pesq", reason="pesq is not installed: it needs a C compiler").pesq
    estimate = noisy(clip)
    assert values("pesq", clip, estimate)["pesq"] == pytest.approx(
        pesq(16_000, clip.samples, estimate.samples, "wb"), abs=1e-6
    )


@pytest.mark.parametrize("clip", CLIPS)
def test_stoi_equals_pystoi(clip: Audio) -> None:
    """Here pystoi resamples from 16 kHz; the metric gives pystoi 10 kHz audio, resampled by soxr."""
    from pystoi import stoi

    estimate = noisy(clip)
    wanted = stoi(clip.samples, estimate.samples, 16_000, extended=False)
    assert values("stoi", clip, estimate)["stoi"] == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("clip", CLIPS)
def test_speaker_similarity_equals_resemblyzers(clip: Audio) -> None:
    from restorebench.metrics.speaker import library, quiet

    if why := why_not("metrics", "spk_sim@resemblyzer"):
        pytest.skip(why)
    estimate = noisy(clip)
    with quiet():
        resemblyzer = library()
        encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
        reference_voice, estimate_voice = (
            encoder.embed_utterance(resemblyzer.preprocess_wav(audio.samples, 16_000)) for audio in (clip, estimate)
        )
    measured = values("spk_sim@resemblyzer", clip, estimate)
    assert measured["spk_sim@resemblyzer"] == pytest.approx(float(reference_voice @ estimate_voice), abs=1e-4)


def test_si_sdr_equals_its_formula() -> None:
    reference, estimate = CLIPS[0].samples.astype(float), noisy(CLIPS[0]).samples.astype(float)
    r, e = reference - reference.mean(), estimate - estimate.mean()
    scaled = (e @ r) / (r @ r) * r
    wanted = 10 * np.log10(np.sum(scaled**2) / np.sum((scaled - e) ** 2))
    assert values("si_sdr", CLIPS[0], noisy(CLIPS[0]))["si_sdr"] == pytest.approx(wanted, abs=1e-6)


def test_wer_equals_jiwers_on_pocketsphinxs_transcript() -> None:
    import jiwer
    from pocketsphinx import Decoder

    from restorebench.metrics.pocketsphinx_asr import BEAMS

    text = "The birch canoe slid on the smooth planks."
    decoder = Decoder(loglevel="FATAL", **BEAMS)
    decoder.start_utt()
    decoder.process_raw(np.round(CLIPS[0].samples * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    transcript = decoder.hyp().hypstr
    wanted = 100 * jiwer.wer("the birch canoe slid on the smooth planks", transcript)
    assert values("wer@pocketsphinx", CLIPS[0], CLIPS[0], text) == {
        "wer@pocketsphinx": pytest.approx(wanted),
        "wer@pocketsphinx@mean": pytest.approx(wanted),
    }
    assert wanted < 60
