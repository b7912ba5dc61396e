"""Corpora for the papers' tables and for training: folder, files of a complete copy, and where to get a copy.

Archives are fetched by `restorebench data fetch NAME`; a corpus without an address is taken from a copy (`--from DIR`).
Checksums are published by the owners or pinned by torchaudio; "" means that none is published.
"""

from __future__ import annotations

from dataclasses import dataclass

VCTK_HELD_OUT = ("p360", "p361", "p362", "p363", "p364", "p374", "p376", "s5")
"""VoiceFixer's eight test speakers, which the MaskSR2 demo files name (decision D19)."""
VCTK_CLIPS = 125
"""Clips per speaker: eight speakers give MaskSR2's 1000 clips."""
BLIND_V3 = "noisy_blind_testset_v3_challenge_withSNR_16k"

_DATASHARE = "https://datashare.ed.ac.uk/bitstream/handle/10283"
_DNS_BLOBS = "https://dns4public.blob.core.windows.net/dns4archive/datasets_fullband"


@dataclass(frozen=True)
class Archive:
    url: str
    bytes: int
    """Size of the archive; approximate where the checksum is not known."""
    checksum: str = ""
    """sha256 (64 digits) or md5 (32 digits) of the archive; "" where none is published."""
    top: tuple[str, ...] = ("",)
    """Folder in the archive that becomes the corpus's folder; several names if the sources disagree on its name."""

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class CorpusEntry:
    title: str
    folder: str
    """Path of the corpus below the data folder."""
    licence: str
    bytes: int
    """Approximate size of the unpacked corpus."""
    holds: dict[str, int]
    """Files of a complete copy: pattern below the folder -> smallest number of files that match it."""
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""
    """Instructions for getting a copy of a corpus without archives that the command can fetch."""
    derived: str = ""
    """Name of a step after unpacking ("noise": `subtract` in fetch.py); "" for none."""


CORPORA: dict[str, CorpusEntry] = {
    "vctk": CorpusEntry(
        title="VCTK 0.92",
        folder="vctk",
        licence="CC BY 4.0",
        bytes=13_000_000_000,
        holds={
            f"{folder}/{speaker}/*{ending}": VCTK_CLIPS
            for speaker in VCTK_HELD_OUT
            for folder, ending in (("wav48_silence_trimmed", "_mic1.flac"), ("txt", ".txt"))
        },
        archives=(
            Archive(
                f"{_DATASHARE}/3443/VCTK-Corpus-0.92.zip",
                11_747_302_977,
                "f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
            ),
        ),
    ),
    "voicebank-demand": CorpusEntry(
        title="VoiceBank-DEMAND test set, whose noise is noisy - clean",
        folder="vd_noise",
        licence="CC BY 4.0",
        bytes=900_000_000,
        holds={"noise/*.flac": 824},
        archives=(
            Archive(f"{_DATASHARE}/2791/clean_testset_wav.zip", 154_300_000, "34eb1c0ba7ef667e9b966866c542fc16"),
            Archive(f"{_DATASHARE}/2791/noisy_testset_wav.zip", 170_600_000, "fb1b86caa31e8ba5b506c0c64da9aab5"),
        ),
        derived="noise",
    ),
    "librispeech-test-clean": CorpusEntry(
        title="LibriSpeech test-clean",
        folder="LibriSpeech/test-clean",
        licence="CC BY 4.0",
        bytes=359_000_000,
        holds={"*/*/*.flac": 2620, "*/*/*.trans.txt": 40},
        archives=(
            Archive(
                "https://www.openslr.org/resources/12/test-clean.tar.gz",
                346_663_984,
                "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
                top=("LibriSpeech/test-clean",),
            ),
        ),
    ),
    "librispeech-train-clean-100": CorpusEntry(
        title="LibriSpeech train-clean-100, 100 hours to train on",
        folder="LibriSpeech/train-clean-100",
        licence="CC BY 4.0",
        bytes=6_600_000_000,
        holds={"*/*/*.flac": 28_539, "*/*/*.trans.txt": 585},
        archives=(
            Archive(
                "https://www.openslr.org/resources/12/train-clean-100.tar.gz",
                6_387_309_499,
                "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
                top=("LibriSpeech/train-clean-100",),
            ),
        ),
    ),
    "aishell-1": CorpusEntry(
        title="AISHELL-1, 178 hours of Mandarin to train on, 16 kHz",
        folder="aishell-1",
        licence="Apache 2.0",
        bytes=19_000_000_000,
        holds={"train/*/*.wav": 120_000},
        by_hand=(
            "fetch data_aishell.tgz (15 GB, openslr.org/33), unpack it and the archives in its folder wav, "
            "then: restorebench data fetch aishell-1 --from data_aishell/wav"
        ),
    ),
    "dns-read-speech": CorpusEntry(
        title="DNS Challenge 4 read speech, to train on, 48 kHz",
        folder="dns_read_speech",
        licence="public domain (LibriVox)",
        bytes=320_000_000_000,
        holds={"*.wav": 100_000},
        by_hand=(
            "fetch the read_speech archives with download-dns-challenge-4.sh of github.com/microsoft/DNS-Challenge and "
            "unpack them (299 GB), then: restorebench data fetch dns-read-speech --from datasets_fullband/read_speech"
        ),
    ),
    "dns2020": CorpusEntry(
        title="DNS Challenge 2020 test set",
        folder="dns2020",
        licence="CC BY 4.0 and others, see the challenge's LICENSE",
        bytes=340_000_000,
        holds={
            "synthetic/no_reverb/noisy/*.wav": 150,
            "synthetic/no_reverb/clean/*.wav": 150,
            "synthetic/with_reverb/noisy/*.wav": 150,
            "synthetic/with_reverb/clean/*.wav": 150,
            "real_recordings/*.wav": 300,
        },
        by_hand=(
            "git clone --depth 1 --branch interspeech2020/master https://github.com/microsoft/DNS-Challenge "
            "(with git-lfs), then: restorebench data fetch dns2020 --from DNS-Challenge/datasets/test_set"
        ),
    ),
    "dns2021": CorpusEntry(
        title="DNS Challenge 2021 blind sets (V2 and V3)",
        folder="dns2021",
        licence="the DNS Challenge's terms",
        bytes=1_000_000_000,
        holds={f"{BLIND_V3}/*.wav": 600},
        archives=(
            Archive(
                "https://dnschallengepublic.blob.core.windows.net/dns3archive/V2_V3_Challenge_Combined_Blindset.zip",
                1_000_000_000,
                top=("V2_V3_DNSChallenge_Blindset", "V2_V3_Challenge_Combined_Blindset"),
            ),
        ),
    ),
    "seedtts": CorpusEntry(
        title="SeedTTS test-en and test-zh",
        folder="seedtts_testset",
        licence="CC0 (en, Common Voice); DiDiSpeech's terms (zh)",
        bytes=1_200_000_000,
        holds={"en/meta.lst": 1, "zh/meta.lst": 1, "en/prompt-wavs/*.wav": 1, "zh/prompt-wavs/*.wav": 1},
        by_hand=(
            "fetch seedtts_testset.tar (1.2 GB) by the link in github.com/BytedanceSpeech/seed-tts-eval and unpack it, "
            "then: restorebench data fetch seedtts --from seedtts_testset"
        ),
    ),
    "dns-noise": CorpusEntry(
        title="DNS Challenge noise: 150 classes of AudioSet and Freesound, 48 kHz",
        folder="dns_noise",
        licence="CC BY 4.0 (AudioSet), CC0 (Freesound), CC BY-SA 3.0 (DEMAND)",
        bytes=58_000_000_000,
        holds={"*.wav": 50_000},
        archives=tuple(
            Archive(
                f"{_DNS_BLOBS}/noise_fullband/datasets_fullband.noise_fullband.{part}.tar.bz2",
                39_000_000_000 // 9,
                top=("datasets_fullband/noise_fullband",),
            )
            for part in (*(f"audioset_{n:03d}" for n in range(7)), "freesound_000", "freesound_001")
        ),
    ),
    "dns-rir": CorpusEntry(
        title="DNS Challenge room impulse responses (OpenSLR 26 and 28)",
        folder="dns_rir",
        licence="Apache 2.0",
        bytes=5_900_000_000,
        holds={"SLR26/**/*.wav": 50_000, "SLR28/**/*.wav": 100},
        archives=(
            Archive(
                f"{_DNS_BLOBS}/datasets_fullband.impulse_responses_000.tar.bz2",
                265_000_000,
                top=("datasets_fullband/impulse_responses",),
            ),
        ),
    ),
}


def command(name: str) -> str:
    """The command that fetches a corpus."""
    return f"restorebench data fetch {name}"


def fetch_hint(location: str) -> str:
    """ "; run: …" for a `data:` location within a known corpus, "" for any other."""
    path = location.removeprefix("data:")
    for name, entry in CORPORA.items():
        if location.startswith("data:") and (path == entry.folder or path.startswith(f"{entry.folder}/")):
            return f"; run: {command(name)}"
    return ""
