"""Fuzz tests of the file readers: on changed bytes, each returns a value or raises its own error of one line.

Changes start from a valid file: its end is cut off, or bytes are dropped, repeated, replaced or inserted.
`FUZZ_EXAMPLES=20000 pytest tests/faults/test_fuzz.py` tries more changes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restorebench.benchmark.data.corpora.seedtts import meta_lines
from restorebench.benchmark.data.corpora.texts import read_texts
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.gate.baseline import read_baseline
from restorebench.benchmark.store.pack import contents
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.suite import load_suite
from restorebench.reports.listening.analysis import read_ratings, tables
from restorebench.reports.listening.listening_test import read_test
from restorebench.systems.sise.phonemes import read_textgrid
from restorebench.systems.training.checkpoint import Checkpoint, header, save
from restorebench.systems.training.config import load_config
from tests.conftest import COMMAND, ROOT

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
TEXTGRID = """File type = "ooTextFile"
item [1]:
  name = "phones"
  intervals [1]:
    xmin = 0.0
    xmax = 0.5
    text = "AA1"
"""
RATINGS = "kind,suite,listener,clip,system,value,passed\nmos,demo,1,a,s,4,\nmos,demo,2,a,s,3,1\nmos,demo,2,b,s,2,\n"


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, float, bytes]]:
    """A few changes of a file: the kind, the position (as a share of the file's length) and the bytes."""
    kinds = st.sampled_from(["cut", "drop", "double", "replace", "insert"])
    return draw(st.lists(st.tuples(kinds, st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))


def changed(content: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    for kind, share, bytes_ in edits:
        start = int(share * len(content))
        end = min(len(content), start + len(bytes_))
        content = {
            "cut": content[:start],
            "drop": content[:start] + content[end:],
            "double": content[:end] + content[start:],
            "replace": content[:start] + bytes_ + content[end:],
            "insert": content[:start] + bytes_ + content[start:],
        }[kind]
    return content


def small_checkpoint(path: Path) -> bytes:
    import torch

    save(path, Checkpoint("sise", {"model.x": torch.ones(3)}, {"model": {"width": 8}}, {"steps": 4}))
    return path.read_bytes()


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A valid file for each reader, by the file's name."""
    folder = tmp_path_factory.mktemp("originals")
    commands = (
        "run demo --limit 6 --systems unprocessed,target --metrics lsd --store s",
        "submit pack s --out pack.rbz",
        "gate s --baseline gate.json --system unprocessed --update-baseline --reason start",
        "listen make s --out t --clips 2",
    )
    for command in commands:
        done = subprocess.run([str(COMMAND), *command.split()], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    files = {
        "ratings.csv": RATINGS.encode(),
        "texts.csv": b'id,text\na,"The birch, canoe"\nb,slid\n',
        "meta.lst": b"a|said before|prompts/a.wav|to be said\nb|x|y.wav|z|w.wav\n",
        "phones.TextGrid": TEXTGRID.encode(),
        "suite.toml": (ROOT / "benchmark/data/suites/demo.toml").read_bytes(),
        "config.toml": (ROOT / "systems/training/configs/nano/sise-tts.toml").read_bytes(),
        "gate.json": (folder / "gate.json").read_bytes(),
        "pack.rbz": (folder / "pack.rbz").read_bytes(),
        "test.json": (folder / "t" / "test.json").read_bytes(),
        "model.safetensors": small_checkpoint(folder / "model.safetensors"),
    }
    unit = max((folder / "s" / "scores").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    plan = next((folder / "s" / "plans").glob("*.json"))
    return files | {"scores/unit.parquet": unit.read_bytes(), "plans/plan.json": plan.read_bytes()}


def rated(path: Path) -> Any:
    return tables(read_ratings(path))


def unpacked(path: Path) -> Any:
    into = path.with_suffix("")
    shutil.rmtree(into, ignore_errors=True)
    return contents(path, into)


READERS: dict[str, Callable[[Path], Any]] = {
    "ratings.csv": rated,
    "texts.csv": read_texts,
    "meta.lst": meta_lines,
    "phones.TextGrid": read_textgrid,
    "suite.toml": lambda path: load_suite(str(path)),
    "config.toml": load_config,
    "gate.json": read_baseline,
    "pack.rbz": unpacked,
    "test.json": lambda path: read_test(path.parent),
    "model.safetensors": header,
    "scores/unit.parquet": lambda path: Store(path.parents[1]).table("scores"),
    "plans/plan.json": lambda path: Store(path.parents[1]).plans(),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_of_changed_bytes_raises_only_its_own_errors(
    name: str, originals: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(originals[name])
    READERS[name](path)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(changes())
    def read(edits: list[tuple[str, float, bytes]]) -> None:
        path.write_bytes(changed(originals[name], edits))
        message = ""
        try:
            READERS[name](path)
        except (RequestError, AudioError) as error:
            message = str(error)
        assert "\n" not in message, "an error is one line"

    read()


def test_every_kind_of_change_changes_the_file(originals: dict[str, bytes]) -> None:
    """The file holds every byte value once."""
    content = bytes(range(256))
    for kind in ("cut", "drop", "double", "replace", "insert"):
        assert changed(content, [(kind, 0.5, b"xyz")]) != content
    assert json.loads(originals["gate.json"])
