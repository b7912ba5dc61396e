"""Files that are none: links that lead nowhere, pipes, odd names. They cost their own clip, and nothing hangs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from restorebench.benchmark import registry
from restorebench.benchmark.contracts import Scene
from restorebench.benchmark.core.files import files_below, visible
from restorebench.benchmark.core.pool import LIMIT_VARIABLE, Workers
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.data.corpora.librispeech import transcripts
from restorebench.benchmark.data.locations import BUNDLE, audio_files
from restorebench.benchmark.errors import AudioError, AwayError, RequestError, reason
from restorebench.benchmark.plan.keys import recorded_trial_key
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Audio, Utterance
from restorebench.corruptions.options import check_range, check_share
from tests.conftest import COMMAND
from tests.fake_corpora import FAKES
from tests.tiny import FOLDER_SUITE

LIMIT_S = 120


def corpus(folder: Path) -> Path:
    """Two good clips, a link that leads nowhere, a pipe, and, where it can be had, a name that is no UTF-8."""
    folder.mkdir()
    for name in ("slt_04", "rms_03"):
        samples, rate = soundfile.read(BUNDLE / f"{name}.flac", dtype="float32")
        soundfile.write(folder / f"{name}.wav", samples[:rate], rate)
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")
    os.mkfifo(folder / "pipe.wav")
    odd = os.fsdecode(os.fsencode(folder) + b"/caf\xe9.wav")
    try:
        Path(odd).write_bytes((folder / "slt_04.wav").read_bytes())
    except OSError:
        (folder / "cafe.wav").write_bytes((folder / "slt_04.wav").read_bytes())
    return folder


def command(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Started anew, so that one that hangs can be ended."""
    return subprocess.run(
        [str(COMMAND), *arguments], cwd=where, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


@pytest.mark.parametrize("noise", ["pink", "./speech", "babble"])
def test_a_corpus_of_odd_files_loses_only_them(noise: str, tmp_path: Path) -> None:
    """As speech, as noise and as babble; and every page reads the store."""
    corpus(tmp_path / "speech")
    suite = FOLDER_SUITE.replace('"lowpass"', f'"noise"\noptions = {{ noise = "{noise}" }}')
    (tmp_path / "s.toml").write_text(suite)
    done = command(tmp_path, "run", "s.toml", "--store", "s", "--systems", "unprocessed,target", "--workers", "1")
    assert done.returncode in (0, 1), done.stderr  # 1 when each clip drew a noise that cannot be read
    assert "Traceback" not in done.stderr
    assert "gone.wav" in done.stdout
    assert "pipe.wav" in done.stdout
    if noise == "pink":
        assert done.returncode == 0
        assert "pipe.wav: is not a regular file" in done.stdout
        assert "(n=3/5)" in done.stdout
        for page in (("compare", "s", "unprocessed", "target"), ("report", "s", "--out", "r")):
            told = command(tmp_path, *page)
            assert told.returncode == 0, told.stderr


def test_two_links_to_one_folder_are_two_folders_and_a_loop_ends(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.wav").touch()
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path, {".wav"})]
    assert {"one/a.wav", "real/a.wav", "two/a.wav"} <= set(found)
    assert len(found) < 20


def test_folders_that_link_to_each_other_are_listed_in_no_time(tmp_path: Path) -> None:
    """Seven folders with links to all others had a list of 13 699 files."""
    folders = [tmp_path / f"f{number}" for number in range(7)]
    for place in folders:
        place.mkdir()
        (place / "a.wav").touch()
    for place in folders:
        for other in folders:
            (place / f"to-{other.name}").symlink_to(other, target_is_directory=True)
        (place / "up").symlink_to(tmp_path, target_is_directory=True)
    found = files_below(tmp_path, {".wav"})
    assert {place / "a.wav" for place in folders} <= set(found)
    assert len(found) <= 60
    alone = files_below(folders[0], {".wav"})
    assert len({os.path.realpath(path) for path in alone}) == 7
    assert len(alone) <= 60


def test_recordings_that_cannot_be_read_are_different_clips() -> None:
    keys = {recorded_trial_key(Utterance(id=name, uri=None, degraded=f"/x/{name}.wav")) for name in "ab"}
    assert len(keys) == 2


def test_every_reader_passes_over_hidden_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AppleDouble's files beside the clips of an official layout."""
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path))
    for name, root in (("librispeech-test-clean", tmp_path / "LibriSpeech/test-clean"), ("vctk", tmp_path / "vctk")):
        FAKES[name].write(root)
        for sound in list(root.rglob("*.flac")):
            sound.with_name(f"._{sound.name}").write_bytes(b"an Apple's")
    for name in ("librispeech", "vctk"):
        listed = [u.id for u in registry.create("corpora", name).utterances()]
        assert listed
        assert not any(clip.startswith(".") for clip in listed)
    assert visible([tmp_path / ".x", tmp_path / "Thumbs.db", tmp_path / "a"]) == [tmp_path / "a"]


def hangs(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_unit_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "4")
    with Workers(1) as workers:
        found = list(
            workers.map(hangs, [0.0, 300.0], lambda unit, why: -1.0 if "RESTOREBENCH_UNIT_LIMIT_S" in why else 0.0)
        )
    assert sorted(found) == [-1.0, 0.0]


@pytest.mark.parametrize("value", [[1, 2, 3], [], "59", True, [2, 1], [None, 2], [1, True]])
def test_ranges_are_numbers_or_pairs(value: object) -> None:
    with pytest.raises(RequestError, match=r"snr_db = .*wanted a number, or \[from, to\]"):
        check_range("snr_db", value, -60, 120)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"p_clip = .*wanted one number within"):
        check_share("p_clip", value)  # type: ignore[arg-type]
    assert (check_range("snr_db", [1, 3], -60, 120), check_share("p", 1)) == ((1.0, 3.0), 1.0)


def test_a_path_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(FOLDER_SUITE.replace('"speech"', "5"))
    with pytest.raises(RequestError, match=r"s\.toml: path = 5; wanted a file or folder"):
        load_suite(str(tmp_path / "s.toml"))


@pytest.mark.parametrize("name", ["noise", "dns", "voicefixer"])
def test_silent_noise_never_leaves_a_clip_clean(name: str, tmp_path: Path) -> None:
    """The recipe was drawn while the noise sounded; at rendering it is silence."""
    folder = tmp_path / "noise"
    folder.mkdir()
    speech = Audio((0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32), 16_000)
    soundfile.write(folder / "n.wav", speech.samples, 16_000)
    corruption = registry.create("corruptions", name, noise=str(folder))
    recipe = corruption.draw(generator("silent", name), Scene(rate=16_000, seconds=1.0))
    silent = recipe.to_json()
    soundfile.write(folder / "n.wav", np.zeros(16_000), 16_000)
    from restorebench.benchmark.data.locations import file_sha256
    from restorebench.benchmark.types import Recipe

    drawn = [step["source"]["sha256"] for step in recipe.steps if step.get("name") == "noise"]
    assert drawn, "this draw has noise"
    silent = silent.replace(drawn[0], file_sha256(folder / "n.wav"))
    with pytest.raises(AudioError, match="the noise is digital silence"):
        corruption.render(Recipe.from_json(silent), speech)


MARK = "\ufeff"


@pytest.mark.parametrize(
    ("content", "clips"),
    [
        (f"{MARK}a|one|prompt-wavs/a.wav|two\r\n\r\n".encode(), ["a"]),
        ("a|o\u2028ne|prompt-wavs/a.wav|two\n".encode(), ["a"]),
        ("a|one|prompt-wavs/a.wav|two\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_meta_lst_as_people_save_it(
    content: bytes, clips: list[str] | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "en" / "prompt-wavs").mkdir(parents=True)
    soundfile.write(tmp_path / "en" / "prompt-wavs" / "a.wav", np.zeros(100), 16_000)
    (tmp_path / "en" / "meta.lst").write_bytes(content)
    reader: Callable[[], list[object]] = registry.create(
        "corpora", "seedtts", language="en", root=str(tmp_path)
    ).utterances
    if isinstance(clips, str):
        with pytest.raises(RequestError, match=clips):
            reader()
    else:
        assert [u.id for u in reader()] == clips  # type: ignore[attr-defined]


def test_transcripts_with_a_byte_order_mark(tmp_path: Path) -> None:
    chapter = tmp_path / "19" / "198"
    chapter.mkdir(parents=True)
    (chapter / "19-198.trans.txt").write_bytes(f"{MARK}19-198-0000 NORTHANGER ABBEY\r\n\r\n".encode())
    assert transcripts(chapter) == {"19-198-0000": "NORTHANGER ABBEY"}


def test_what_may_pass_says_so() -> None:
    """A GPU without memory is no fault of the clip."""

    class OutOfMemoryError(RuntimeError):
        pass

    assert reason(OutOfMemoryError("CUDA")).startswith("may pass: ")
    assert reason(AwayError("x")).startswith("may pass: ")
    assert reason(AudioError("x")) == "x"


def test_a_noise_folder_of_odd_files_is_listed(tmp_path: Path) -> None:
    assert len(audio_files(str(corpus(tmp_path / "speech")))) == 5
