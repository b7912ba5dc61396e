"""The list of recordings is built once and memory-mapped by every process; it names unreadable recordings."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from restorebench.benchmark import registry
from restorebench.benchmark.data.locations import _audio_names as audio_names
from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.suite import CorpusSpec
from restorebench.systems.training import recordings as module
from restorebench.systems.training.data import PairStream
from restorebench.systems.training.recordings import Recording, recordings_of, speech_of
from tests.tiny import quietly, run_config

RATE = 16_000


def folder(path: Path, count: int, broken: int = 0, channels: int = 1) -> tuple[CorpusSpec, ...]:
    """A corpus of `count` short noise files; the last `broken` files cannot be read."""
    path.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        sound = path / f"clip{number:02d}.wav"
        samples = 0.1 * rng.standard_normal((RATE // 10 + number, channels))
        soundfile.write(sound, samples, RATE)
        if number >= count - broken:
            sound.write_bytes(b"no sound")
    return (CorpusSpec(reader="folder", options={"path": str(path), "hashes": False}),)


def encoded(samples: np.ndarray, file_format: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=file_format)
    return buffer.getvalue()


def test_a_second_start_opens_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpora, list_file = folder(tmp_path / "speech", 5), tmp_path / "recordings.arrow"
    first = recordings_of(corpora, list_file, quietly)

    def no_listing(*_: object) -> None:
        raise AssertionError("the corpus was listed again")

    monkeypatch.setattr(module, "_listed", no_listing)
    again = recordings_of(corpora, list_file, quietly)
    assert list(again) == list(first)
    assert again.seconds.tolist() == first.seconds.tolist()
    with pytest.raises(AssertionError, match="listed again"):
        recordings_of(folder(tmp_path / "others", 2), list_file, quietly)


def test_processes_map_the_list_instead_of_copying_it(tmp_path: Path) -> None:
    listed = recordings_of(folder(tmp_path / "speech", 40), tmp_path / "recordings.arrow", quietly)
    pickled = pickle.dumps(listed)
    assert len(pickled) < 500
    assert list(pickle.loads(pickled)) == list(listed)
    assert (listed.uris[3], len(listed.uris)) == (listed[3].uri, 40)


def test_a_few_unreadable_recordings_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = recordings_of(folder(tmp_path / "speech", 40, broken=2), None, quietly)
    assert len(listed) == 38
    assert "2 of 40 recordings cannot be trained on" in capsys.readouterr().err


@pytest.mark.parametrize(("broken", "channels", "why"), [(3, 1, "3 of 40 .*at most 5%"), (0, 2, "2 channels")])
def test_too_many_unusable_recordings_stop_the_run(broken: int, channels: int, why: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=why):
        recordings_of(folder(tmp_path / "speech", 40, broken, channels), None, quietly)


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    corpora, list_file = folder(tmp_path / "speech", 2), tmp_path / "recordings.arrow"
    list_file.write_bytes(b"ARROW1 and nothing more")
    with pytest.raises(RequestError, match=r"recordings\.arrow: is no list of recordings"):
        recordings_of(corpora, list_file, quietly)


def test_the_list_of_a_run_is_written_to_its_folder(tmp_path: Path) -> None:
    run = run_config()
    assert len(speech_of(run, tmp_path, quietly)) == 3
    assert (tmp_path / "recordings-train.arrow").is_file()


@pytest.fixture
def emilia(tmp_path: Path) -> Path:
    """Two archives of three clips in Emilia's layout: MP3 files, each with a JSON description."""
    rng = np.random.default_rng(1)
    for part in range(2):
        with tarfile.open(tmp_path / f"EN-B00000{part}.tar", "w") as archive:
            for number in range(3):
                name = f"EN_B0000{part}_S00000_W00000{number}"
                description = {"text": f" Text {number}.", "speaker": f"EN_B0000{part}_S00000", "language": "en"}
                tone = 0.2 * np.sin(np.arange(RATE * (1 + number)) * 0.2) + 0.01 * rng.standard_normal(
                    RATE * (1 + number)
                )
                for suffix, content in ((".mp3", encoded(tone, "MP3")), (".json", json.dumps(description).encode())):
                    member = tarfile.TarInfo(name + suffix)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return tmp_path


def test_clips_are_read_from_archives_without_unpacking(emilia: Path) -> None:
    clips = list(registry.create("corpora", "archives", path=str(emilia)).utterances())
    assert [(clip.id, clip.text, clip.speaker) for clip in clips][:2] == [
        ("EN_B00000_S00000_W000000", " Text 0.", "EN_B00000_S00000"),
        ("EN_B00000_S00000_W000001", " Text 1.", "EN_B00000_S00000"),
    ]
    listed = recordings_of((CorpusSpec(reader="archives", options={"path": str(emilia)}),), None, quietly)
    assert listed.seconds == pytest.approx([1, 2, 3, 1, 2, 3], abs=0.1)
    crop, padding = listed[2].crop(1.0, 1.5, RATE)
    assert (len(crop), padding) == (1.5 * RATE, 0)
    with tarfile.open(emilia / "EN-B000000.tar") as archive:
        member = archive.extractfile("EN_B00000_S00000_W000002.mp3")
        assert member is not None
        whole = soundfile.read(io.BytesIO(member.read()), dtype="float32")[0]
    assert np.corrcoef(crop, whole[RATE : RATE + len(crop)])[0, 1] > 0.999


def test_archives_that_cannot_be_read_are_named(emilia: Path) -> None:
    with pytest.raises(RequestError, match=r"no \.tar archives"):
        registry.create("corpora", "archives", path=str(emilia / "nothing")).utterances()
    with pytest.raises(RequestError, match="lies within an archive"):
        resolve_uri(f"{emilia}/EN-B000000.tar#512+100")
    damaged = emilia / "EN-B000000.tar"
    damaged.write_bytes(b"\x1f\x8b" + damaged.read_bytes()[:5000])
    with pytest.raises(RequestError, match=r"EN-B000000\.tar: is not a complete, uncompressed tar archive"):
        list(registry.create("corpora", "archives", path=str(emilia)).utterances())


def test_a_crop_at_another_rate_has_the_requested_length(emilia: Path) -> None:
    [spec] = folder(emilia / "speech", 1)
    recording = Recording.of(next(iter(registry.create("corpora", spec.reader, **spec.options).utterances())))
    crop, padding = recording.crop(0.0, 0.2, 8000)
    assert (len(crop), padding) == (1600, pytest.approx(0.5))


def test_an_archive_that_was_cut_between_two_clips_is_named(emilia: Path) -> None:
    """Python's tar reader stops at the cut without an error, as if the archive were complete."""
    cut = emilia / "EN-B000001.tar"
    with tarfile.open(cut) as archive:
        second_clip_offset = archive.getmembers()[2].offset
    cut.write_bytes(cut.read_bytes()[:second_clip_offset])
    with pytest.raises(RequestError, match=r"EN-B000001\.tar: is not a complete, uncompressed tar archive"):
        list(registry.create("corpora", "archives", path=str(emilia)).utterances())


def test_a_malformed_description_is_named_and_hidden_members_are_skipped(tmp_path: Path) -> None:
    def packed(name: str, **members: bytes) -> None:
        with tarfile.open(tmp_path / name, "w") as archive:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    sound = encoded(np.zeros(RATE), "WAV")
    packed("a.tar", **{"a.wav": sound, "._a.wav": b"an Apple's", "a.txt": b"\xef\xbb\xbfhello\n"})
    [clip] = registry.create("corpora", "archives", path=str(tmp_path)).utterances()
    assert (clip.id, clip.text) == ("a", "hello")
    packed("a.tar", **{"a.wav": sound, "a.json": b"[1]"})
    with pytest.raises(RequestError, match=r"a\.tar: a\.json: wanted a JSON object"):
        list(registry.create("corpora", "archives", path=str(tmp_path)).utterances())


def test_archived_speech_is_degraded_without_babble(emilia: Path) -> None:
    """Babble needs clips in files of their own, so the default noise uses coloured noise alone."""
    speech = [{"reader": "archives", "options": {"path": str(emilia)}}]
    run = run_config(data={"speech": speech, "options": {"bandwidth_hz": [1000, 8000], "p_rir": 0.0, "p_noise": 1.0}})
    stream = PairStream(run.data, RATE, recordings_of(run.data.speech, None, quietly), 0, "train")
    assert all(np.isfinite(stream[number]["degraded"]).all() for number in range(20))


def test_a_refused_list_is_not_stored(tmp_path: Path) -> None:
    """The error advises to remove the files; the next start then succeeds."""
    speech = tmp_path / "speech"
    folder(speech, 3)
    soundfile.write(speech / "p360_001.wav", 0.1 * np.ones(RATE), RATE)
    data = {"speech": [{"reader": "folder", "options": {"path": str(speech)}}]}
    with pytest.raises(RequestError, match="hold out"):
        speech_of(run_config(data=data), tmp_path, quietly)
    (speech / "p360_001.wav").unlink()
    audio_names.cache_clear()
    assert len(speech_of(run_config(data=data), tmp_path, quietly)) == 3


def test_names_that_are_not_utf8_are_left_out(tmp_path: Path) -> None:
    corpora = folder(tmp_path / "speech", 30)
    odd = os.fsdecode(os.fsencode(tmp_path / "speech") + b"/\xe9.wav")
    try:
        Path(odd).write_bytes((tmp_path / "speech" / "clip00.wav").read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    assert len(recordings_of(corpora, tmp_path / "kept.arrow", quietly)) == 30
