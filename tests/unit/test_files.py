"""Which files of a folder are read, and tables written by hand: every mistake is reported and changes no number."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from restorebench.benchmark.audio import read
from restorebench.benchmark.core.files import files_below
from restorebench.benchmark.data.locations import BUNDLE, audio_files
from restorebench.benchmark.data.tables import read_csv
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.folders.score import files_by_id
from tests.conftest import Cli


def below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_below(folder, {".wav"})]


def test_links_are_followed_once_and_hidden_files_are_skipped(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "clips", tmp_path / "elsewhere"
    for path in (
        "a.wav", "B.WAV", "._a.wav", ".hidden/b.wav", ".ipynb_checkpoints/a-checkpoint.wav", "Thumbs.db", "note.txt",
        "deep/er/c.wav",
    ):  # fmt: skip
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    elsewhere.mkdir()
    (elsewhere / "d.wav").touch()
    (folder / "linked").symlink_to(elsewhere, target_is_directory=True)
    (elsewhere / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "nowhere.wav").symlink_to(tmp_path / "absent.wav")
    (folder / "folder.wav").mkdir()
    wanted = ["B.WAV", "a.wav", "deep/er/c.wav", "linked/d.wav", "nowhere.wav"]
    assert below(folder) == wanted
    assert [*files_by_id(folder)] == [name.rpartition(".")[0] for name in wanted]
    assert [*audio_files(str(folder))] == [f"{folder}/{name}" for name in wanted]


def test_a_named_pipe_is_refused_and_a_link_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.wav")
    with pytest.raises(AudioError, match=r"x\.wav: is not a regular file"):
        read(tmp_path / "x.wav")
    (tmp_path / "y.flac").symlink_to(BUNDLE / "slt_04.flac")
    assert read(tmp_path / "y.flac").rate == 16_000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"id,text\na,hello, world\n", r"line 2 has 3 fields, wanted 2; put text with commas between quotation marks"),
        (b"id,text\na\n", "line 2 has 1 fields, wanted 2; add the missing fields"),
        (b'id,text\na,"hello\nb,there\nc,you\n', "line 4: unexpected end of data"),
        (b'id,text\na,"one\ntwo"\nb,x\n', "the row of line 2 ends in line 3; close its quotation mark"),
        (b'id,text\na,"one" two\n', "line 2: "),
        ("id,text\na,h\xe9\n".encode("latin-1"), r"is not UTF-8 \(byte 11\)"),
        ("id,text\na,x\n".encode("utf-16"), "is not UTF-8"),
        (b"name,text\na,b\n", r"columns \['name', 'text'\]; wanted id,text"),
        (b"", r"columns \[\]; wanted id,text"),
    ],
)
def test_mistakes_in_a_table_are_reported(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(RequestError, match=says) as caught:
        read_csv(tmp_path / "t.csv", ("id", "text"))
    assert "\n" not in str(caught.value)


def test_a_table_may_have_a_byte_order_mark_blank_lines_and_quotation_marks(tmp_path: Path) -> None:
    text = '\ufeffid,text,note\r\n01,"hello, ""world""",\r\n\r\nNA,nan,null\r\nb,a\u2028b,x'
    (tmp_path / "t.csv").write_bytes(text.encode())
    assert read_csv(tmp_path / "t.csv", ("id", "text")) == [
        {"id": "01", "text": 'hello, "world"', "note": ""},
        {"id": "NA", "text": "nan", "note": "null"},
        {"id": "b", "text": "a\u2028b", "note": "x"},
    ]


@pytest.mark.parametrize("file", ["config.yaml", "configuration.json", "requirements.txt"])
def test_a_checkpoint_folder_that_would_run_code_is_refused(tmp_path: Path, file: str) -> None:
    from restorebench.metrics.remote.paraformer_asr import refuse_code

    (tmp_path / "config.yaml").write_text("model: Paraformer\n")
    refuse_code(tmp_path)
    (tmp_path / file).write_text("trust_remote_code: true\nremote_code: ./evil.py\n")
    with pytest.raises(ValueError, match="it is not loaded"):
        refuse_code(tmp_path)


@pytest.mark.parametrize("rate", [1, 3_999, 768_001, 2**31 - 1])
def test_an_implausible_sample_rate_is_refused(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(400), 16_000)
    data = bytearray((tmp_path / "x.wav").read_bytes())
    data[24:28] = rate.to_bytes(4, "little")
    (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(AudioError, match=rf"x\.wav: has a rate of {rate} Hz; wanted 4000 to 768000 Hz"):
        read(tmp_path / "x.wav")


def test_lists_are_printed_in_encodings_without_arrows(cli: Cli) -> None:
    done = cli("list", "metrics", env={"PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0, done.stderr
    done = cli("list", "decisions", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "section" in done.stdout
