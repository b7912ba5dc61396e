"""Every kind of bad audio file in `score`, `run` and `restore`: one clear line, a recorded failure, no crash."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from restorebench.benchmark.audio import resample
from restorebench.benchmark.data.locations import BUNDLE
from tests.conftest import Cli

RATE = 16_000
CLIP, _ = soundfile.read(BUNDLE / "slt_04.flac", dtype="float32")
TEXT = "These days a chicken leg is a rare dish."

FAILS = {  # name -> words of the reason
    "empty": "cannot be read as audio",
    "truncated": "cannot be read as audio",
    "text": "cannot be read as audio",
    "no-samples": "holds no samples",
    "has-nan": "NaN or infinite",
    "has-inf": "NaN or infinite",
    "stereo": "2 channels; wanted mono",
    "missing": "there is no estimate",
    "twice": "2 estimates share this id",
    "extra": "there is no reference",
}
WORKS = ["good", "8k", "96k", "24-bit", "loud"]
DEFINED_IN_PART = ["silence", "10ms"]


def write_all(estimates: Path, references: Path) -> None:
    estimates.mkdir()
    references.mkdir()
    wave = lambda name, data, rate=RATE, **kw: soundfile.write(estimates / f"{name}.wav", data, rate, **kw)  # noqa: E731
    (estimates / "empty.wav").write_bytes(b"")
    wave("truncated", CLIP)
    (estimates / "truncated.wav").write_bytes((estimates / "truncated.wav").read_bytes()[:20])
    (estimates / "text.wav").write_text("this is no sound\n" * 100)
    wave("no-samples", CLIP[:0])
    wave("has-nan", np.where(np.arange(len(CLIP)) == 9, np.nan, CLIP), subtype="FLOAT")
    wave("has-inf", np.where(np.arange(len(CLIP)) == 9, np.inf, CLIP), subtype="FLOAT")
    wave("stereo", np.stack([CLIP, CLIP], axis=1))
    wave("twice", CLIP)
    soundfile.write(estimates / "twice.flac", CLIP, RATE)
    wave("extra", CLIP)
    wave("good", CLIP)
    wave("8k", resample(CLIP, RATE, RATE // 2), RATE // 2)
    wave("96k", np.repeat(CLIP, 6), 6 * RATE)
    wave("24-bit", CLIP, subtype="PCM_24")
    wave("loud", 3 * CLIP, subtype="FLOAT")
    wave("silence", np.zeros_like(CLIP))
    wave("10ms", CLIP[:160])
    for name in [*FAILS, *WORKS, "silence"]:
        if name != "extra":
            soundfile.write(references / f"{name}.wav", CLIP, RATE)
    soundfile.write(references / "10ms.wav", CLIP[:160], RATE)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, int, str]:
    import subprocess

    from tests.conftest import COMMAND

    folder = tmp_path_factory.mktemp("bad")
    write_all(folder / "est", folder / "ref")
    texts = [f'{name},"{TEXT}"' for name in [*FAILS, *WORKS, "silence"]]  # 10ms has no transcript
    (folder / "texts.csv").write_text("id,text\n" + "\n".join(texts) + "\n")
    done = subprocess.run(
        [COMMAND, "score", "--estimates", "est", "--references", "ref", "--texts", "texts.csv",
         "--metrics", "lsd,lsd@active,stoi,si_sdr,dnsmos,wer@pocketsphinx", "--out", "out.csv"],
        cwd=folder, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    return pd.read_csv(folder / "out.csv").set_index("id"), done.returncode, done.stderr


def test_nothing_crashed_and_every_id_has_a_row(scored: tuple[pd.DataFrame, int, str]) -> None:
    table, code, errors = scored
    assert code == 1
    assert "Traceback" not in errors
    assert set(table.index) == {*FAILS, *WORKS, *DEFINED_IN_PART}


@pytest.mark.parametrize("name", sorted(FAILS))
def test_a_bad_file_is_reported_in_one_line(scored: tuple[pd.DataFrame, int, str], name: str) -> None:
    table, _, errors = scored
    assert FAILS[name] in str(table.loc[name, "si_sdr.error"])
    assert pd.isna(table.loc[name, "si_sdr"])
    assert sum(line.startswith(f"{name}: ") for line in errors.splitlines()) == 1


@pytest.mark.parametrize("name", WORKS)
def test_a_usable_file_is_scored(scored: tuple[pd.DataFrame, int, str], name: str) -> None:
    row = scored[0].loc[name]
    assert (
        row[
            [
                "lsd",
                "lsd@active",
                "stoi",
                "si_sdr",
                "dnsmos.sig",
                "dnsmos.p808",
                "wer@pocketsphinx",
                "wer@pocketsphinx@mean",
            ]
        ]
        .notna()
        .all()
    )
    assert row["stoi"] > 0.9


def test_silence_has_the_scores_that_are_defined_on_it(scored: tuple[pd.DataFrame, int, str]) -> None:
    row = scored[0].loc["silence"]
    assert row["wer@pocketsphinx"] == 100.0
    assert row["lsd"] > 10
    assert pd.notna(row["dnsmos.ovl"])
    assert "digital silence" in row["si_sdr.error"]
    assert "digital silence" in row["stoi.error"]


def test_10_ms_without_a_transcript_have_si_sdr_but_no_stoi(scored: tuple[pd.DataFrame, int, str]) -> None:
    row = scored[0].loc["10ms"]
    assert pd.notna(row["si_sdr"])
    assert pd.isna(row["stoi"])
    assert row["stoi.error"]
    assert "no transcript" in row["wer@pocketsphinx.error"]


def test_reference_free_scoring_needs_no_reference(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "est" / "deep").mkdir(parents=True)
    soundfile.write(tmp_path / "est" / "deep" / "a.wav", CLIP, RATE)
    done = cli("score", "--estimates", "est", "--metrics", "dnsmos", "--out", "out.parquet")
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table.columns) == ["id", "dnsmos.sig", "dnsmos.bak", "dnsmos.ovl", "dnsmos.p808"]
    assert list(table["id"]) == ["deep/a"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_folder_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "est").mkdir(mode=0o000)
    done = cli("score", "--estimates", "est", "--metrics", "dnsmos", "--out", "out.csv")
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


def test_a_bad_clip_of_a_corpus_is_counted_as_missing(cli: Cli, tmp_path: Path) -> None:
    """In a whole run: the board says n=3/4 because of the unreadable clip, and the other clips are scored."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("a", "b", "c"):
        soundfile.write(corpus / f"{name}.wav", CLIP, RATE)
    (corpus / "d.wav").write_text("not audio")
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nversion = 1\nsummary = "x"\nmetrics = ["si_sdr", "wer@pocketsphinx"]\n'
        'systems = ["unprocessed", "target"]\n'
        f'[corpus]\nreader = "folder"\noptions = {{ path = "{corpus}", texts = "{tmp_path}/texts.csv" }}\n'
        '[[condition]]\nname = "noise"\ncorruption = "noise"\noptions = { noise = "pink" }\n'
    )
    (tmp_path / "texts.csv").write_text(f'id,text\na,"{TEXT}"\nb,"{TEXT}"\nd,"{TEXT}"\n')
    done = cli("run", "mine.toml", "--store", "s", "--format", "md")
    assert done.returncode == 0, done.stderr
    assert "(n=3/4)" in done.stdout
    assert "(n=2/4)" in done.stdout
    assert "d.wav: cannot be read as audio" in done.stdout
    assert "no transcript for this clip" in done.stdout


def test_duplicate_ids_of_a_corpus_are_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    for suffix in ("wav", "flac"):
        soundfile.write(tmp_path / "corpus" / f"a.{suffix}", CLIP, RATE)
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nversion = 1\nsummary = "x"\nmetrics = ["si_sdr"]\nsystems = ["target"]\n'
        f'[corpus]\nreader = "folder"\noptions = {{ path = "{tmp_path}/corpus" }}\n'
        '[[condition]]\nname = "noise"\ncorruption = "noise"\noptions = { noise = "pink" }\n'
    )
    done = cli("run", "mine.toml", "--store", "s")
    assert done.returncode == 2
    assert "share the id 'a'" in done.stderr


@pytest.mark.heavy
def test_a_clip_of_twenty_minutes_is_scored(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "est").mkdir()
    (tmp_path / "ref").mkdir()
    long = np.tile(CLIP, 1 + 20 * 60 * RATE // len(CLIP))[: 20 * 60 * RATE]
    soundfile.write(tmp_path / "ref" / "long.flac", long, RATE)
    soundfile.write(tmp_path / "est" / "long.flac", 0.5 * long, RATE)
    done = cli("score", "--estimates", "est", "--references", "ref", "--metrics", "lsd,lsd@active,stoi,si_sdr",
               "--out", "o.csv")  # fmt: skip
    row = pd.read_csv(tmp_path / "o.csv").iloc[0]
    assert done.returncode == 0, done.stderr
    assert row["si_sdr"] > 60
    assert row["lsd"] == pytest.approx(0.602, abs=0.05)


def test_restore_writes_the_good_files_and_names_the_bad(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "good.wav", np.repeat(CLIP, 3), 48_000)
    (tmp_path / "in" / "bad.wav").write_bytes(b"RIFF")
    done = cli("restore", "in", "out", "--system", "spectral-gate")
    assert done.returncode == 1
    assert "bad.wav: cannot be read as audio" in done.stderr
    restored, rate = soundfile.read(tmp_path / "out" / "good.wav")
    assert (len(restored), rate) == (3 * len(CLIP), 48_000)


def test_restore_overwrites_no_input(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", CLIP, RATE)
    before = (tmp_path / "in" / "a.wav").read_bytes()
    for arguments in (("in", "in"), ("in/a.wav", "in/a.wav")):
        done = cli("restore", *arguments, "--system", "spectral-gate")
        assert done.returncode == 2
        assert "would overwrite its input" in done.stderr
    soundfile.write(tmp_path / "in" / "a.flac", CLIP, RATE)
    done = cli("restore", "in", "out", "--system", "spectral-gate")
    assert done.returncode == 1
    assert "a: a.flac, a.wav would share one output" in done.stderr
    assert (tmp_path / "in" / "a.wav").read_bytes() == before


def test_an_unreadable_clip_is_reported_as_unreadable_not_as_without_a_reference(cli: Cli, tmp_path: Path) -> None:
    """The clip would be its own reference. The reason must be the unreadable file, not a missing reference."""
    (tmp_path / "corpus").mkdir()
    soundfile.write(tmp_path / "corpus" / "a.wav", CLIP, RATE)
    (tmp_path / "corpus" / "d.wav").write_text("not audio")
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nversion = 1\nsummary = "x"\nmetrics = ["si_sdr"]\nsystems = ["target"]\n'
        f'[corpus]\nreader = "folder"\noptions = {{ path = "{tmp_path}/corpus" }}\n'
        '[[condition]]\nname = "noise"\ncorruption = "noise"\noptions = { noise = "pink" }\n'
    )
    cli("run", "mine.toml", "--store", "s")
    rows = pd.read_csv(tmp_path / "s" / "records.csv", keep_default_na=False).set_index("utterance")
    assert "cannot be read as audio" in rows.loc["d", "why"]


def test_a_recording_with_another_checksum_than_the_listed_one_is_refused(tmp_path: Path) -> None:
    from restorebench.benchmark.errors import AudioError
    from restorebench.benchmark.run.pairs import make_pair
    from restorebench.benchmark.types import Utterance

    soundfile.write(tmp_path / "a.wav", CLIP, RATE)
    clip = Utterance(id="a", uri=None, degraded=str(tmp_path / "a.wav"), sha256="0" * 64)
    with pytest.raises(AudioError, match="the corpus lists 0000"):
        make_pair(clip, None, None)
