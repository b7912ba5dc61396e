"""Corpus readers on small folders in the corpora's own layouts."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from restorebench.benchmark.data.corpora.dns import DnsTestSet
from restorebench.benchmark.data.corpora.librispeech import LibriSpeech
from restorebench.benchmark.data.corpora.seedtts import SeedTts
from restorebench.benchmark.data.corpora.vctk import Vctk
from restorebench.benchmark.errors import RequestError


def write_clip(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(160, 0.1), 16_000)


def test_vctk(tmp_path: Path) -> None:
    for clip in ("p360_001", "p360_002", "p361_001", "p225_001"):
        write_clip(tmp_path / "wav48_silence_trimmed" / clip[:4] / f"{clip}_mic1.flac")
        write_clip(tmp_path / "wav48_silence_trimmed" / clip[:4] / f"{clip}_mic2.flac")
    for speaker in ("p360", "p361"):
        (tmp_path / "txt" / speaker).mkdir(parents=True)
    (tmp_path / "txt" / "p360" / "p360_001.txt").write_text("Please call Stella.\n")
    utterances = Vctk(str(tmp_path), speakers=("p360", "p361")).utterances()
    assert [u.id for u in utterances] == ["p360_001", "p360_002", "p361_001"]
    assert [u.id for u in Vctk(str(tmp_path), ("p360", "p361"), per_speaker=1).utterances()] == ["p360_001", "p361_001"]
    with pytest.raises(RequestError, match=r"p362 has no mic1 files; wanted the speakers p360, p361, p362"):
        Vctk(str(tmp_path)).utterances()
    (tmp_path / "wav48_silence_trimmed" / "p000").mkdir()
    with pytest.raises(RequestError, match=r"p000 has no mic1 files; wanted the speakers p000, p225, p360, p361;"):
        Vctk(str(tmp_path), speakers=()).utterances()
    assert [u.text for u in utterances] == ["Please call Stella.", None, None]


def test_librispeech(tmp_path: Path) -> None:
    for clip in ("1-2-0000", "1-2-0001", "1-3-0000", "4-5-0000"):
        speaker, chapter, _ = clip.split("-")
        write_clip(tmp_path / "test-clean" / speaker / chapter / f"{clip}.flac")
    (tmp_path / "test-clean" / "1" / "2" / "1-2.trans.txt").write_text("1-2-0000 HELLO THERE\n1-2-0001 AGAIN\n")
    (tmp_path / "test-clean" / "4" / "5" / "4-5.trans.txt").write_text("4-5-0000 THERE\n")
    utterances = LibriSpeech(str(tmp_path), per_speaker=2).utterances()
    assert [(u.id, u.speaker, u.text) for u in utterances] == [
        ("1-2-0000", "1", "HELLO THERE"),
        ("1-2-0001", "1", "AGAIN"),
        ("4-5-0000", "4", "THERE"),
    ]
    (tmp_path / "test-clean" / "4" / "5" / "4-5.trans.txt").write_text("")
    with pytest.raises(RequestError, match="no transcript of 4-5-0000"):
        LibriSpeech(str(tmp_path), per_speaker=2).utterances()


def test_dns(tmp_path: Path) -> None:
    write_clip(tmp_path / "noisy" / "clnsp1_snr6_tl-26_fileid_90.wav")
    with pytest.raises(RequestError, match="its clean version is not at"):
        DnsTestSet(str(tmp_path)).utterances()
    write_clip(tmp_path / "clean" / "clean_fileid_90.wav")
    [utterance] = DnsTestSet(str(tmp_path)).utterances()
    assert utterance.uri == f"{tmp_path}/clean/clean_fileid_90.wav"
    assert utterance.degraded == f"{tmp_path}/noisy/clnsp1_snr6_tl-26_fileid_90.wav"
    [real] = DnsTestSet(str(tmp_path), clean="").utterances()
    assert real.uri is None


def test_seedtts(tmp_path: Path) -> None:
    write_clip(tmp_path / "en" / "prompt-wavs" / "a.wav")
    (tmp_path / "en" / "meta.lst").write_text("x-1|We asked.|prompt-wavs/a.wav|Say this.\n")
    [utterance] = SeedTts("en", str(tmp_path)).utterances()
    assert (utterance.id, utterance.text, utterance.language, utterance.degraded) == ("x-1", "We asked.", "en", None)
    assert utterance.say == "Say this."
    with pytest.raises(RequestError, match="no such file; wanted the speech of a TTS"):
        SeedTts("en", str(tmp_path), f"{tmp_path}/spoken").utterances()
    write_clip(tmp_path / "spoken" / "unprocessed" / "x-1.wav")
    [spoken] = SeedTts("en", str(tmp_path), f"{tmp_path}/spoken").utterances()
    assert (spoken.text, spoken.uri) == ("Say this.", utterance.uri)
    assert spoken.degraded == f"{tmp_path}/spoken/unprocessed/x-1.wav"
    (tmp_path / "en" / "meta.lst").write_text("x-1|We asked.\n")
    with pytest.raises(RequestError, match=r"line 1: 2 fields"):
        SeedTts("en", str(tmp_path)).utterances()
