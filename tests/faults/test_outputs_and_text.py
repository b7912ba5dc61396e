"""Output paths are checked before work begins; odd text and ids get one line; a stopped `score` resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import soundfile

from restorebench.benchmark.core.outputs import require_file, require_folder
from restorebench.benchmark.core.text import printable, read_toml, require_id
from restorebench.benchmark.data.locations import BUNDLE
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.folders import degrade
from restorebench.benchmark.folders.kept_rows import KeptRows
from restorebench.benchmark.folders.score import score_files
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Table
from restorebench.reports.formats import FORMATS
from tests.conftest import COMMAND, Cli
from tests.tiny import FOLDER_SUITE


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("slt_04", "rms_03", "awb_02"):
        samples, rate = soundfile.read(BUNDLE / f"{name}.flac", dtype="float32")
        soundfile.write(folder / f"{name}.wav", samples[: 2 * rate], rate)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["score", "--estimates", "clips", "--out", "file/x.csv"],
        ["report", "s", "--out", "file/report"],
        ["notebook", "s", "--out", "file/n.ipynb"],
        ["degrade", "demo", "--out", "file/set"],
        ["restore", "clips", "file/out", "--system", "spectral-gate"],
        ["restore", "clips/slt_04.wav", "file/out.wav", "--system", "spectral-gate"],
        ["train", "nano/codec-16k", "--out", "file/run"],
        ["gate", "s", "--baseline", "b.json", "--junit", "file/gate.xml"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_output_paths_are_checked_before_work_begins(command: list[str], clips: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = cli(*command)
    assert done.returncode == 2
    assert "file is a file; name another place" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_is_no_output_file_and_a_file_no_output_folder(tmp_path: Path) -> None:
    require_file(tmp_path / "a" / "b" / "c.csv")
    require_folder(tmp_path / "a" / "b")
    with pytest.raises(RequestError, match="is a folder; wanted the name of a file"):
        require_file(tmp_path)
    (tmp_path / "x").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RequestError, match="x is a file"):
        require_folder(tmp_path / "x" / "y")


def test_a_stopped_score_resumes(clips: Path, tmp_path: Path) -> None:
    """Rows of a stopped call are reused where nothing changed."""
    out = tmp_path / "scores.csv"
    whole = score_files(clips, ["lsd"], references=clips)
    kept = KeptRows(out)
    assert score_files(clips, ["lsd"], references=clips, kept=kept).equals(whole)
    lines = kept.path.read_text().splitlines()
    assert len(lines) == 3
    key, row = json.loads(lines[0])
    kept.path.write_text("\n".join([json.dumps([key, row | {"lsd": 7.0}]), lines[1][:20]]) + "\n")
    again = score_files(clips, ["lsd"], references=clips, kept=kept)
    assert again.set_index("id").loc[row["id"], "lsd"] == 7.0, "the kept row is reused"
    both = score_files(clips, ["lsd", "si_sdr"], references=clips, kept=kept)
    assert both["si_sdr"].notna().all(), "a kept row that lacks a wanted value is not reused"
    kept.add(key, row | {"lsd": None, "lsd.error": "may pass: the worker process died"})
    retried = score_files(clips, ["lsd"], references=clips, kept=kept).set_index("id")
    assert retried.loc[row["id"], "lsd"] == pytest.approx(row["lsd"]), "a temporary failure is tried again"
    samples, rate = soundfile.read(clips / f"{row['id']}.wav", dtype="float32")
    soundfile.write(clips / f"{row['id']}.wav", samples[::-1], rate)
    changed = score_files(clips, ["lsd"], references=clips, kept=kept)
    assert changed.set_index("id").loc[row["id"], "lsd"] != 7.0, "a changed sound is scored again"


def test_a_killed_score_keeps_its_rows(clips: Path, cli: Cli, tmp_path: Path) -> None:
    command = ["score", "--estimates", "clips", "--metrics", "dnsmos", "--workers", "1", "--out", "x.csv"]
    process = subprocess.Popen([str(COMMAND), *command], cwd=tmp_path, stderr=subprocess.DEVNULL)
    rows = tmp_path / ".x.csv.rows"
    deadline = time.monotonic() + 120
    while not (rows.exists() and b"\n" in rows.read_bytes()) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "x.csv").exists()
    [[key, row], *others] = [json.loads(line) for line in rows.read_text().split("\n")[:-1]]
    marked = [[key, row | {"dnsmos.ovl": 7.0}], *others]
    rows.write_text("".join(f"{json.dumps(entry)}\n" for entry in marked))
    done = cli(*command)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "x.csv").set_index("id")
    assert len(table) == 3
    assert table.loc[row["id"], "dnsmos.ovl"] == 7.0, "the row of the killed call is reused"
    assert not (tmp_path / ".x.csv.rows").exists()


def test_wrongly_scaled_and_late_files_get_a_hint(clips: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for path in clips.iterdir():
        samples, rate = soundfile.read(path, dtype="float32")
        late = np.pad(samples, (rate // 10, 0))[: len(samples)]
        scaled = 32767 * samples if path.stem == "slt_04" else late if path.stem == "rms_03" else samples
        soundfile.write(odd / path.name, scaled, rate, subtype="FLOAT")
    hints = score_files(odd, ["si_sdr"], references=clips).set_index("id")["hint"]
    assert hints["slt_04"].startswith("samples reach ")
    assert "divide by 32768" in hints["slt_04"]
    assert hints["rms_03"].startswith("100 ms late against its reference")
    assert pd.isna(hints["awb_02"])
    assert "hint" not in score_files(clips, ["si_sdr"], references=clips)


def test_a_run_without_any_value_fails(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "a.wav").write_bytes(b"no audio")
    (tmp_path / "s.toml").write_text(FOLDER_SUITE)
    done = cli("run", "s.toml", "--store", "store")
    assert done.returncode == 1
    assert "no value of folder-suite could be measured: " in done.stderr


def test_paths_in_a_suite_are_relative_to_its_file(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working directory has folders of the same names; an earlier version read those."""
    suite_folder, working_folder = tmp_path / "here", tmp_path / "there"
    for folder in (suite_folder, working_folder):
        folder.mkdir()
    clips.rename(suite_folder / "speech")
    (suite_folder / "s.toml").write_text(FOLDER_SUITE)
    (working_folder / "speech").mkdir()
    monkeypatch.chdir(working_folder)
    assert load_suite(str(suite_folder / "s.toml")).corpus.options == {"path": str(suite_folder / "speech")}
    for folder in (suite_folder, working_folder):
        (folder / "whamr").mkdir()
    rooms = FOLDER_SUITE.replace('"lowpass"', '"reverb"\noptions = { rir = "whamr" }')
    (suite_folder / "r.toml").write_text(rooms)
    assert load_suite(str(suite_folder / "r.toml")).condition[0].options == {"rir": "whamr"}, "a word, not a path"
    (suite_folder / "r.toml").write_text(rooms.replace('"whamr"', '"./whamr"'))
    assert load_suite(str(suite_folder / "r.toml")).condition[0].options == {"rir": str(suite_folder / "whamr")}
    (suite_folder / "speech").rename(suite_folder / "elsewhere")
    with pytest.raises(RequestError, match=r"path = 'speech' is not beside the suite's file"):
        load_suite(str(suite_folder / "s.toml"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("limit = -1", "limit: Input should be greater than or equal to 1"),
        ("limit = 0", "limit: Input should be greater than or equal to 1"),
        ("seeds = []", "seeds: Tuple should have at least 1 item"),
        ("seeds = [-1]", "seeds.0: Input should be greater than or equal to 0"),
        ('corpus = { reader = "folder", options = { path = "" } }', "path is empty"),
        ('name = ".."', "name: String should match pattern"),
        ("version = [[[[", "not valid TOML"),
    ],
)
def test_a_suite_with_an_invalid_value_is_refused(change: str, words: str, tmp_path: Path) -> None:
    key = change.partition(" =")[0]
    other_lines = "\n".join(
        line for line in FOLDER_SUITE.replace('"speech"', '"."').splitlines() if not line.startswith(f"{key} =")
    )
    (tmp_path / "s.toml").write_text(f"{change}\n{other_lines}")
    with pytest.raises(RequestError) as caught:
        load_suite(str(tmp_path / "s.toml"))
    assert words in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "gbk"])
def test_text_in_another_encoding_is_refused(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_bytes(
        'summary = "Prüfung 测"'.replace("测" * (encoding == "latin-1"), "").encode(encoding)
    )
    with pytest.raises(RequestError, match=r"s\.toml: is not UTF-8"):
        read_toml(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_bytes('a = "ü"'.encode("utf-8-sig"))
    assert read_toml(tmp_path / "s.toml") == {"a": "ü"}


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/a", "a//b", "a/", "", ".", "a\\b", "a\x1b[31m", "a\nb", "..."[:2]]
)
def test_ids_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="id "):
        require_id(name, "here")


@pytest.mark.parametrize("name", ["a", "p360/p360_001", "été", "a b", "NA", "中文/一", "می\u200cروم"])
def test_plain_ids_are_accepted(name: str) -> None:
    require_id(name, "here")


def test_verify_reads_no_file_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    line = {"id": "../../secret", "reference_sha256": "", "degraded_sha256": ""}
    (tmp_path / "set" / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(RequestError, match=r"line 1: id '\.\./\.\./secret'"):
        degrade.verify(tmp_path / "set")
    (tmp_path / "set" / "manifest.jsonl").write_text('{"id": "a"\n')
    with pytest.raises(RequestError, match="line 1: not a valid line of a manifest"):
        degrade.verify(tmp_path / "set")


STEERING = "\x1b[2Jname\u202e::\n::error ::pwned\x00"


def test_names_cannot_inject_control_sequences_or_runner_commands() -> None:
    """Names of clips and systems come from files that others wrote."""
    table = Table(STEERING, ("system", STEERING), ((STEERING, "1"),), (STEERING,), small_print=("::warning ::x",))
    for form, render in FORMATS.items():
        text = render([table])
        control_characters = {c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\r\t"}
        assert not control_characters, form
        assert not any(line.lstrip(" |*_-").startswith("::") for line in text.splitlines()), form
    assert printable("plain – text, می\u200cروم") == "plain – text, می\u200cروم"
    element = ElementTree.Element("a", message=printable(STEERING))
    ElementTree.fromstring(ElementTree.tostring(element))


def test_a_name_that_is_not_utf8_does_not_affect_other_clips(clips: Path, cli: Cli, tmp_path: Path) -> None:
    odd = os.fsencode(clips) + b"/caf\xe9.wav"
    try:
        Path(os.fsdecode(odd)).write_bytes((clips / "slt_04.wav").read_bytes())
    except OSError:
        pytest.skip("this file system accepts only names in UTF-8")
    done = cli("score", "--estimates", "clips", "--references", "clips", "--metrics", "lsd", "--out", "x.csv")
    assert done.returncode == 0, done.stderr
    lsd = pd.read_csv(tmp_path / "x.csv").set_index("id")["lsd"]
    assert lsd["caf\ufffd"] == lsd["slt_04"]
    (tmp_path / "s.toml").write_text(FOLDER_SUITE.replace('"speech"', '"clips"'))
    done = cli("run", "s.toml", "--store", "store", "--limit", "4")
    assert done.returncode == 0, done.stderr
    assert "no value" not in done.stdout
