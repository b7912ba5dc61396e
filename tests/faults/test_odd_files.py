"""Files that are not regular: dangling links, pipes, odd names. Only their own clip fails, and nothing hangs."""

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
    """Two good clips, a dangling link, a pipe and, where the file system allows it, a name that is not UTF-8."""
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


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a new process, which is ended when it hangs."""
    return subprocess.run(
        [str(COMMAND), *arguments], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


@pytest.mark.parametrize("noise", ["pink", "./speech", "babble"])
def test_odd_files_do_not_stop_a_run(noise: str, tmp_path: Path) -> None:
    """The odd files serve as speech, as noise and as babble; for speech, `compare` and `report` read the store."""
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
            shown = command(tmp_path, *page)
            assert shown.returncode == 0, shown.stderr


def test_two_links_to_one_folder_are_two_folders_and_a_loop_ends(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.wav").touch()
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "loop").symlink_to(tmp_path, target_is_directory=True)
    listed = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path, {".wav"})]
    assert {"one/a.wav", "real/a.wav", "two/a.wav"} <= set(listed)
    assert len(listed) < 20


def test_folders_that_link_to_each_other_give_a_short_list(tmp_path: Path) -> None:
    """In an earlier version, seven folders with links to all others gave a list of 13 699 files."""
    folders = [tmp_path / f"f{number}" for number in range(7)]
    for folder in folders:
        folder.mkdir()
        (folder / "a.wav").touch()
    for folder in folders:
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(other, target_is_directory=True)
        (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    listed = files_below(tmp_path, {".wav"})
    assert {folder / "a.wav" for folder in folders} <= set(listed)
    assert len(listed) <= 60
    listed_below_one = files_below(folders[0], {".wav"})
    assert len({os.path.realpath(path) for path in listed_below_one}) == 7
    assert len(listed_below_one) <= 60


def test_unreadable_recordings_have_different_keys() -> None:
    keys = {recorded_trial_key(Utterance(id=name, uri=None, degraded=f"/x/{name}.wav")) for name in "ab"}
    assert len(keys) == 2


def test_readers_skip_hidden_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AppleDouble files (`._NAME`) lie beside the clips of an official layout."""
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


def sleep_for(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_unit_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "4")
    with Workers(1) as workers:
        results = list(
            workers.map(sleep_for, [0.0, 300.0], lambda unit, why: -1.0 if "RESTOREBENCH_UNIT_LIMIT_S" in why else 0.0)
        )
    assert sorted(results) == [-1.0, 0.0]


@pytest.mark.parametrize("value", [[1, 2, 3], [], "59", True, [2, 1], [None, 2], [1, True]])
def test_invalid_ranges_and_shares_are_refused(value: object) -> None:
    with pytest.raises(RequestError, match=r"snr_db = .*wanted a number, or \[from, to\]"):
        check_range("snr_db", value, -60, 120)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"p_clip = .*wanted one number within"):
        check_share("p_clip", value)  # type: ignore[arg-type]
    assert (check_range("snr_db", [1, 3], -60, 120), check_share("p", 1)) == ((1.0, 3.0), 1.0)


def test_a_path_that_is_not_a_string_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(FOLDER_SUITE.replace('"speech"', "5"))
    with pytest.raises(RequestError, match=r"s\.toml: path = 5; wanted a file or folder"):
        load_suite(str(tmp_path / "s.toml"))


@pytest.mark.parametrize("name", ["noise", "dns", "voicefixer"])
def test_noise_that_is_silent_at_rendering_is_refused(name: str, tmp_path: Path) -> None:
    """The noise is audible when the recipe is drawn, and digital silence when the recipe is rendered."""
    folder = tmp_path / "noise"
    folder.mkdir()
    speech = Audio((0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32), 16_000)
    soundfile.write(folder / "n.wav", speech.samples, 16_000)
    corruption = registry.create("corruptions", name, noise=str(folder))
    recipe = corruption.draw(generator("silent", name), Scene(rate=16_000, seconds=1.0))
    recipe_json = recipe.to_json()
    soundfile.write(folder / "n.wav", np.zeros(16_000), 16_000)
    from restorebench.benchmark.data.locations import file_sha256
    from restorebench.benchmark.types import Recipe

    noise_hashes = [step["source"]["sha256"] for step in recipe.steps if step.get("name") == "noise"]
    assert noise_hashes, "this draw has noise"
    recipe_json = recipe_json.replace(noise_hashes[0], file_sha256(folder / "n.wav"))
    with pytest.raises(AudioError, match="the noise is digital silence"):
        corruption.render(Recipe.from_json(recipe_json), speech)


BYTE_ORDER_MARK = "\ufeff"


@pytest.mark.parametrize(
    ("content", "clips"),
    [
        (f"{BYTE_ORDER_MARK}a|one|prompt-wavs/a.wav|two\r\n\r\n".encode(), ["a"]),
        ("a|o\u2028ne|prompt-wavs/a.wav|two\n".encode(), ["a"]),
        ("a|one|prompt-wavs/a.wav|two\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_meta_lst_from_other_editors_is_read_or_refused(
    content: bytes, clips: list[str] | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "en" / "prompt-wavs").mkdir(parents=True)
    soundfile.write(tmp_path / "en" / "prompt-wavs" / "a.wav", np.zeros(100), 16_000)
    (tmp_path / "en" / "meta.lst").write_bytes(content)
    utterances: Callable[[], list[object]] = registry.create(
        "corpora", "seedtts", language="en", root=str(tmp_path)
    ).utterances
    if isinstance(clips, str):
        with pytest.raises(RequestError, match=clips):
            utterances()
    else:
        assert [u.id for u in utterances()] == clips  # type: ignore[attr-defined]


def test_transcripts_with_a_byte_order_mark(tmp_path: Path) -> None:
    chapter = tmp_path / "19" / "198"
    chapter.mkdir(parents=True)
    (chapter / "19-198.trans.txt").write_bytes(f"{BYTE_ORDER_MARK}19-198-0000 NORTHANGER ABBEY\r\n\r\n".encode())
    assert transcripts(chapter) == {"19-198-0000": "NORTHANGER ABBEY"}


def test_temporary_failures_are_marked_as_such() -> None:
    """A GPU that is out of memory is a temporary failure and no fault of the clip."""

    class OutOfMemoryError(RuntimeError):
        pass

    assert reason(OutOfMemoryError("CUDA")).startswith("may pass: ")
    assert reason(AwayError("x")).startswith("may pass: ")
    assert reason(AudioError("x")) == "x"


def test_a_noise_folder_of_odd_files_is_listed(tmp_path: Path) -> None:
    assert len(audio_files(str(corpus(tmp_path / "speech")))) == 5
