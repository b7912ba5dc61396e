"""A few generated files in the official layout of every corpus, and the clips that a reader must return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from restorebench.benchmark.data.corpora.catalogue import BLIND_V3, CORPORA, VCTK_HELD_OUT, CorpusEntry


@dataclass(frozen=True)
class Expected:
    """One clip: id, text, speaker, rate of its sound, and whether there is a clean version of it."""

    id: str
    text: str | None
    speaker: str
    rate: int
    clean: bool = True


@dataclass(frozen=True)
class Reading:
    """One way of reading a corpus."""

    reader: str
    options: dict[str, Any]
    clips: tuple[Expected, ...]
    pieces: tuple[str, ...]
    """Files and folders of the layout; a copy that lacks one of them must be refused."""
    language: str = "en"


@dataclass(frozen=True)
class FakeCorpus:
    write: Callable[[Path], None]
    readings: tuple[Reading, ...] = ()
    noise: tuple[str, ...] = field(default=())
    """Noises and impulse responses that a corruption draws from; paths are relative to the corpus's folder."""


def sound(path: Path, rate: int, seed: int = 0, seconds: float = 0.3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * rate))
    soundfile.write(path, samples, rate, "PCM_16")


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def vctk(root: Path) -> None:
    for seed, speaker in enumerate(("p225", *VCTK_HELD_OUT)):
        for clip in ("001", "002"):
            for mic in ("mic1", "mic2"):
                sound(root / "wav48_silence_trimmed" / speaker / f"{speaker}_{clip}_{mic}.flac", 48_000, seed)
            text(root / "txt" / speaker / f"{speaker}_{clip}.txt", f"Please call Stella, {speaker} {clip}.\n")


def voicebank_demand(root: Path) -> None:
    for seed, clip in enumerate(("p232_001", "p257_001")):
        sound(root / "clean_testset_wav" / f"{clip}.wav", 48_000, seed)
        sound(root / "noisy_testset_wav" / f"{clip}.wav", 48_000, seed + 10)


def librispeech(root: Path) -> None:
    for seed, clip in enumerate(("1089-134686-0000", "1089-134686-0001", "121-121726-0000")):
        speaker, chapter, _ = clip.split("-")
        sound(root / speaker / chapter / f"{clip}.flac", 16_000, seed)
    text(root / "1089" / "134686" / "1089-134686.trans.txt", "1089-134686-0000 HE HOPED\n1089-134686-0001 STUFF IT\n")
    text(root / "121" / "121726" / "121-121726.trans.txt", "121-121726-0000 ALSO A POPULAR CONTRIVANCE\n")


def librispeech_train(root: Path) -> None:
    librispeech(root)
    sound(root / "19" / "198" / "19-198-0000.flac", 16_000)
    text(root / "19" / "198" / "19-198.trans.txt", "19-198-0000 NORTHANGER ABBEY\n")


def aishell(root: Path) -> None:
    for seed, speaker in enumerate(("S0002", "S0003")):
        sound(root / "train" / speaker / f"BAC009{speaker}W0122.wav", 16_000, seed)


def dns_read_speech(root: Path) -> None:
    sound(root / "book_00000_chp_0009_reader_06709_0.wav", 48_000)


def dns2020(root: Path) -> None:
    for part in ("no_reverb", "with_reverb"):
        for number in (0, 90):
            name = f"clnsp1_snr6_tl-26_fileid_{number}.wav"
            sound(root / "synthetic" / part / "noisy" / name, 16_000, number)
            sound(root / "synthetic" / part / "clean" / f"clean_fileid_{number}.wav", 16_000, number + 1)
    sound(root / "real_recordings" / "audioset_realrec_airconditioner_2TE3LoA2OUQ.wav", 16_000)
    sound(root / "real_recordings" / "ms_realrec_emotional_female_SLR32.wav", 16_000)


def dns2021(root: Path) -> None:
    for name in ("ms_realrec_fileid_1", "ms_realrec_fileid_2", "nonenglish_synthetic_male_SNR_21.0dB_german_1"):
        sound(root / BLIND_V3 / f"{name}.wav", 16_000)


def seedtts(root: Path) -> None:
    for language, prompt, target_text in (
        ("en", "We asked over twenty.", "Get the trust fund."),
        ("zh", "一年之后", "二是新兴市场"),
    ):
        clip = "common_voice_en_10119832-common_voice_en_10119840" if language == "en" else "10002287-00000095"
        wav = f"prompt-wavs/{clip.partition('-')[0]}.wav"
        sound(root / language / wav, 24_000)
        text(root / language / "meta.lst", f"{clip}|{prompt}|{wav}|{target_text}\n")


NOISES = tuple(f"door_Freesound_validated_{number}.wav" for number in range(9))
"""One file for each of the nine archives of the corpus."""


def dns_noise(root: Path) -> None:
    for name in NOISES:
        sound(root / name, 48_000, seconds=1.0)


def dns_rir(root: Path) -> None:
    sound(root / "SLR26" / "simulated_rirs_48k" / "smallroom" / "Room001" / "Room001-00001.wav", 48_000)
    sound(root / "SLR28" / "RIRS_NOISES" / "real_rirs_isotropic_noises" / "RVB2014_type1_rir_largeroom1.wav", 48_000)


def _dns(part: str) -> Reading:
    clips = tuple(Expected(f"clnsp1_snr6_tl-26_fileid_{number}", None, "", 16_000) for number in (0, 90))
    folder = f"synthetic/{part}"
    pieces = (f"{folder}/clean/clean_fileid_90.wav", f"{folder}/noisy")
    return Reading("dns", {"root": f"data:dns2020/{folder}"}, clips, pieces)


def _seedtts(language: str, clip: str, prompt: str) -> Reading:
    speaker = clip.partition("-")[0]
    clips = (Expected(clip, prompt, speaker, 24_000),)
    pieces = (f"{language}/meta.lst", f"{language}/prompt-wavs/{speaker}.wav")
    return Reading("seedtts", {"language": language}, clips, pieces, language)


def _vctk_clip(speaker: str, clip: str) -> Expected:
    return Expected(f"{speaker}_{clip}", f"Please call Stella, {speaker} {clip}.", speaker, 48_000)


FAKES: dict[str, FakeCorpus] = {
    "vctk": FakeCorpus(
        vctk,
        (
            Reading(
                "vctk",
                {"per_speaker": 125},
                tuple(_vctk_clip(speaker, clip) for speaker in VCTK_HELD_OUT for clip in ("001", "002")),
                ("wav48_silence_trimmed", "wav48_silence_trimmed/p362", "txt/p364"),
            ),
            Reading(
                "vctk",
                {"speakers": (), "without": VCTK_HELD_OUT},
                tuple(_vctk_clip("p225", clip) for clip in ("001", "002")),
                ("wav48_silence_trimmed", "txt/p225"),
            ),
        ),
    ),
    "voicebank-demand": FakeCorpus(voicebank_demand, noise=("noise/p232_001.flac", "noise/p257_001.flac")),
    "librispeech-test-clean": FakeCorpus(
        librispeech,
        (
            Reading(
                "librispeech",
                {"per_speaker": 20},
                (
                    Expected("1089-134686-0000", "HE HOPED", "1089", 16_000),
                    Expected("1089-134686-0001", "STUFF IT", "1089", 16_000),
                    Expected("121-121726-0000", "ALSO A POPULAR CONTRIVANCE", "121", 16_000),
                ),
                ("", "1089/134686/1089-134686.trans.txt"),
            ),
        ),
    ),
    "librispeech-train-clean-100": FakeCorpus(
        librispeech_train,
        (
            Reading(
                "librispeech",
                {"split": "train-clean-100", "without": ("1089", "121")},
                (Expected("19-198-0000", "NORTHANGER ABBEY", "19", 16_000),),
                ("", "19/198/19-198.trans.txt"),
            ),
        ),
    ),
    "aishell-1": FakeCorpus(
        aishell,
        (
            Reading(
                "folder",
                {"path": "data:aishell-1/train", "language": "zh", "licence": "Apache 2.0"},
                tuple(Expected(f"{name}/BAC009{name}W0122", None, "", 16_000) for name in ("S0002", "S0003")),
                ("train",),
                "zh",
            ),
        ),
    ),
    "dns-read-speech": FakeCorpus(
        dns_read_speech,
        (
            Reading(
                "folder",
                {"path": "data:dns_read_speech", "licence": "public domain (LibriVox)"},
                (Expected("book_00000_chp_0009_reader_06709_0", None, "", 48_000),),
                ("",),
            ),
        ),
    ),
    "dns2020": FakeCorpus(
        dns2020,
        (
            _dns("no_reverb"),
            _dns("with_reverb"),
            Reading(
                "dns",
                {"root": "data:dns2020", "noisy": "real_recordings", "clean": ""},
                (
                    Expected("audioset_realrec_airconditioner_2TE3LoA2OUQ", None, "", 16_000, clean=False),
                    Expected("ms_realrec_emotional_female_SLR32", None, "", 16_000, clean=False),
                ),
                ("real_recordings",),
            ),
        ),
    ),
    "dns2021": FakeCorpus(
        dns2021,
        (
            Reading(
                "dns",
                {"root": "data:dns2021", "noisy": BLIND_V3, "clean": "", "only": "*realrec*.wav"},
                tuple(Expected(f"ms_realrec_fileid_{n}", None, "", 16_000, clean=False) for n in (1, 2)),
                (BLIND_V3,),
            ),
        ),
    ),
    "seedtts": FakeCorpus(
        seedtts,
        (
            _seedtts("en", "common_voice_en_10119832-common_voice_en_10119840", "We asked over twenty."),
            _seedtts("zh", "10002287-00000095", "一年之后"),
        ),
    ),
    "dns-noise": FakeCorpus(dns_noise, noise=NOISES),
    "dns-rir": FakeCorpus(
        dns_rir,
        noise=(
            "SLR26/simulated_rirs_48k/smallroom/Room001/Room001-00001.wav",
            "SLR28/RIRS_NOISES/real_rirs_isotropic_noises/RVB2014_type1_rir_largeroom1.wav",
        ),
    ),
}


def small(name: str) -> CorpusEntry:
    """The catalogue's entry with file counts that a fake copy reaches, and a small size."""
    return replace(CORPORA[name], holds=dict.fromkeys(CORPORA[name].holds, 1), bytes=1_000_000)
