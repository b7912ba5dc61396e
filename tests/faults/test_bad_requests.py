"""Requests that cannot be carried out: one line says what was seen, what was wanted and what to do; exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli

CASES = [
    (["run", "demo", "--systems", "unprocesed", "--store", "s"], "did you mean unprocessed?"),
    (["run", "demi", "--store", "s"], "did you mean demo, demo-tts?"),
    (["run", "demo", "--metrics", "dnsmoss", "--store", "s"], "did you mean dnsmos"),
    (["run", "demo", "--systems", "published:", "--store", "s"], "published:VoiceFixer"),
    (["run", "masksr2-table1", "--store", "s"], "VCTK"),
    (["run", "sise-table1-seedtts-zh", "--store", "s"], "SeedTTS"),
    (["board", "nowhere"], "no store there"),
    (["verify", "nowhere"], "no manifest.jsonl"),
    (["run", "demo", "--systems", "published:VoiceFixer", "--store", "s"], "no sound for any clip of demo"),
    (["degrade", "published-masksr", "--out", "o"], "no such manifest"),
    (["score", "--estimates", "nowhere", "--out", "x.csv"], "no such folder"),
    (["score", "--estimates", ".", "--out", "x.txt"], "ends in .csv or .parquet"),
    (["score", "--estimates", ".", "--out", "x.csv"], "holds no audio files"),
    (["score", "--estimates", ".", "--metrics", "lsd", "--out", "x.csv"], "--references"),
    (["score", "--estimates", ".", "--metrics", "wer@pocketsphinx", "--out", "x.csv"], "--texts"),
    (["restore", "nowhere.wav", "out.wav", "--system", "spectral-gate"], "no such file"),
    (["restore", ".", "out", "--system", "target"], "supplied, not run"),
    (["data", "fetch", "gtcrm"], "did you mean gtcrn, storm?"),
]


@pytest.mark.parametrize(("arguments", "hint"), CASES, ids=lambda v: " ".join(v)[:50] if isinstance(v, list) else None)
def test_a_bad_request_is_one_line_with_exit_code_two(cli: Cli, arguments: list[str], hint: str) -> None:
    done = cli(*arguments, env={"RESTOREBENCH_DATA": "/nonexistent", "RESTOREBENCH_WEIGHTS": "/nonexistent"})
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("restorebench: ")
    assert hint in lines[0]
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(cli: Cli) -> None:
    done = cli("run", "demi", "--store", "s", "--debug")
    assert "Traceback" in done.stderr
    assert "RequestError" in done.stderr


def test_a_mistake_in_a_suite_file_is_named(cli: Cli, tmp_path: Path) -> None:
    suite = tmp_path / "mine.toml"
    suite.write_text('name = "mine"\nversion = 1\nsummary = "x"\nmetrics = []\nsystems = []\nspeling = 1\n'
                     '[corpus]\nreader = "demo"\n')  # fmt: skip
    done = cli("run", suite, "--store", "s")
    assert done.returncode == 2
    assert "speling" in done.stderr
    suite.write_text("name = ")
    assert "not valid TOML" in cli("run", suite, "--store", "s").stderr


SUITE = (
    'name = "{name}"\nversion = 1\nsummary = "x"\nmetrics = ["si_sdr"]\nsystems = ["target"]\n'
    '[corpus]\nreader = "demo"\noptions = {{ {corpus} }}\n'
    '[[condition]]\nname = "c"\ncorruption = "{corruption}"\noptions = {{ {options} }}\n{more}'
)
GOOD = {"name": "mine", "corpus": "", "corruption": "clipping", "options": "", "more": ""}


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"options": "ratio = [0.5, 2]"}, "within [0.001, 1]"),
        ({"options": 'law = "symetric"'}, "law = 'symetric'; wanted one of per-side, symmetric"),
        ({"corruption": "noise", "options": 'law = "activ"'}, "wanted one of rms, active, voicefixer, dns-segmental"),
        (
            {"corruption": "voicefixer", "options": 'order = "publishd"'},
            "one of published, noise-before-lowpass",
        ),
        ({"corruption": "voicefixer", "options": 'clip_draw = "ratioo"'}, "wanted one of ratio, factor"),
        ({"corruption": "lowpass", "options": 'designs = ["butr"]'}, "wanted one of butter, cheby1"),
        ({"options": "speed = 3"}, "corruption clipping: takes no speed; it takes ratio, law; see"),
        ({"corpus": 'ids = ["slt_04", "nosuch"]'}, "no clips named nosuch"),
        ({"name": "team/mine"}, "name: String should match pattern"),
        ({"more": '[[condition]]\nname = "c"\ncorruption = "level"\n'}, "two conditions share a name"),
    ],
)
def test_a_suite_with_a_wrong_value_says_what_is_wanted(
    cli: Cli, tmp_path: Path, wrong: dict[str, str], hint: str
) -> None:
    suite = tmp_path / "mine.toml"
    suite.write_text(SUITE.format(**(GOOD | wrong)))
    done = cli("run", suite, "--store", "s")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert hint in done.stderr


def test_a_wrong_weights_file_is_refused_with_the_wanted_hash(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "w" / "gtcrn").mkdir(parents=True)
    (tmp_path / "w" / "gtcrn" / "gtcrn_simple.onnx").write_bytes(b"not a model")
    done = cli("run", "demo", "--systems", "gtcrn", "--store", "s", env={"RESTOREBENCH_WEIGHTS": str(tmp_path / "w")})
    assert done.returncode == 2
    assert "wanted b4718df6228e" in done.stderr


def test_an_unwritable_store_asks_for_another_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = cli("run", "demo", "--systems", "target", "--metrics", "si_sdr", "--store", "file/store")
    assert done.returncode == 2
    assert "name another folder for --store" in done.stderr
