"""The project's only audio reader, writer, resampler and rounding rule."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from restorebench.benchmark.audio import conform, on_grid, read, resample, samples_for, settle, write_float, write_grid
from restorebench.benchmark.core.complete import missing_bytes
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.types import Audio, Pair

RNG = np.random.default_rng(0)


def noise(samples: int, rate: int = 16_000, scale: float = 0.2) -> Audio:
    return Audio(RNG.normal(scale=scale, size=samples).astype(np.float32), rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
def test_a_settled_sound_survives_its_file_bit_for_bit(tmp_path: Path, rate: int) -> None:
    sound = settle(Pair(None, noise(4_000, rate))).degraded
    write_grid(tmp_path / "x.flac", sound)
    assert read(tmp_path / "x.flac").sha256() == sound.sha256()


def test_a_negative_sample_that_rounds_to_zero_survives(tmp_path: Path) -> None:
    """A sound with -0.0 in memory would have a hash that no sound read from a file can have."""
    sound = settle(Pair(None, Audio(np.array([-1e-9, 1e-9, -0.0, 0.5], np.float32), 16_000))).degraded
    write_grid(tmp_path / "x.flac", sound)
    assert read(tmp_path / "x.flac").sha256() == sound.sha256()


def test_positive_and_negative_full_scale_survive(tmp_path: Path) -> None:
    extremes = Audio(on_grid(np.array([1.0, -1.0, 0.0, 2.0**-23], np.float32)), 16_000)
    write_grid(tmp_path / "x.flac", extremes)
    assert np.array_equal(read(tmp_path / "x.flac").samples, extremes.samples)


def test_a_float_file_keeps_levels_above_full_scale(tmp_path: Path) -> None:
    loud = noise(1_000, scale=3.0)
    write_float(tmp_path / "x.wav", loud)
    assert read(tmp_path / "x.wav").sha256() == loud.sha256()


def test_settling_scales_both_sounds_by_one_factor() -> None:
    reference, degraded = noise(1_000, scale=0.1), noise(1_000, scale=1.0)
    pair = settle(Pair(reference, degraded))
    assert pair.reference is not None
    gain = 0.999 / np.abs(degraded.samples).max()
    assert np.allclose(pair.degraded.samples, degraded.samples * gain, atol=2e-7)
    assert np.allclose(pair.reference.samples, reference.samples * gain, atol=2e-7)


def test_a_corruption_that_changes_the_length_is_refused() -> None:
    with pytest.raises(AudioError, match="must keep length and rate"):
        settle(Pair(noise(1_000), noise(999)))


@given(st.integers(1, 4_000), st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000, 96_000]))
def test_resampling_to_another_rate_and_back_keeps_the_length(samples: int, rate: int) -> None:
    resampled = resample(np.zeros(samples, np.float32), 16_000, rate)
    assert len(resampled) == samples_for(samples / 16_000, rate)
    assert abs(len(resample(resampled, rate, 16_000)) - samples) <= 1


def test_a_length_within_the_tolerance_is_conformed_and_beyond_it_is_refused() -> None:
    reference = noise(16_000)
    assert len(conform(noise(16_300), reference, tolerance_s=0.025).samples) == 16_000
    assert conform(noise(44_100, 44_100), reference).rate == 16_000
    with pytest.raises(AudioError, match="wanted the same length within 0 ms"):
        conform(noise(16_300), reference)


def test_the_hash_depends_on_rate_and_samples() -> None:
    sound = noise(100)
    assert sound.sha256() != Audio(sound.samples, 8_000).sha256()
    flipped = sound.samples.copy()
    flipped[50] = np.nextafter(flipped[50], np.float32(1))
    assert sound.sha256() != Audio(flipped, 16_000).sha256()


FORMATS = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("RF64", "PCM_24"), ("AIFF", "PCM_16"), ("OGG", "VORBIS"),
           ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("FLAC", "PCM_16")]  # fmt: skip


@pytest.mark.parametrize(("form", "subtype"), FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.98])
def test_a_truncated_file_is_refused(form: str, subtype: str, share: float, tmp_path: Path) -> None:
    """libsndfile reads the remaining part without an error, and a score of half a clip looks like any other."""
    path = tmp_path / f"a.{form.lower()}"
    soundfile.write(path, noise(48_000).samples, 16_000, subtype=subtype, format=form)
    assert read(path).seconds == pytest.approx(3, abs=0.2)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(AudioError, match=r"is cut|cannot be read|holds no samples"):
        read(path)


@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_file_of_unknown_length_is_complete(length: int, tmp_path: Path) -> None:
    """A program that writes WAV to a pipe cannot put the length into the header."""
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(16_000).samples, 16_000, subtype="PCM_16")
    whole = bytearray(path.read_bytes())
    data_chunk = whole.index(b"data")
    whole[4:8] = whole[data_chunk + 4 : data_chunk + 8] = length.to_bytes(4, "little")
    path.write_bytes(whole)
    assert missing_bytes(path) == 0


@pytest.mark.parametrize("data", [b"ID3", b"RIFF", b"\xff", b"OggS", b"FORM\x00", b"RF64"])
def test_the_first_bytes_of_a_file_are_no_audio(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(AudioError, match=r"cannot be read|is cut"):
        read(tmp_path / "a.wav")


def test_equal_sounds_give_equal_files_at_any_time(tmp_path: Path) -> None:
    """By default, libsndfile writes the time into the PEAK chunk of a float WAV."""
    import time

    sound = noise(1000)
    for name in ("a.wav", "b.wav"):
        write_float(tmp_path / name, sound)
        time.sleep(1.1)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert np.array_equal(read(tmp_path / "a.wav").samples, sound.samples)


def test_a_flac_file_without_a_length_is_refused_with_the_reason(tmp_path: Path) -> None:
    """An encoder that writes to a pipe leaves the length out; libsndfile cannot read such a file to its end."""
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(16_000).samples, 16_000)
    data = bytearray(path.read_bytes())
    stream_info = int.from_bytes(data[18:26]) & ~((1 << 36) - 1)  # the last 36 bits are the number of samples
    data[18:26] = stream_info.to_bytes(8)
    path.write_bytes(data)
    with pytest.raises(AudioError, match="a stream whose header does not say its length"):
        read(path)
