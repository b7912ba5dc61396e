"""Packs: a store in one file, whole or refused, and boards over several people's packs."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.store import pack as packs
from restorebench.benchmark.store.joined import joined
from restorebench.benchmark.store.pack import MANIFEST, contents, pack, unpack
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Record
from tests.conftest import Cli

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people's stores of one plan: both measured `unprocessed`."""
    root = tmp_path_factory.mktemp("packs")
    for name, system in (("ours", "spectral-gate"), ("theirs", "target")):
        execute(make_plan(load_suite("demo"), ["unprocessed", system], ["lsd", "si_sdr"], limit=3), root / name, 1)
        pack(root / name, root / f"{name}.rbz", sounds=name == "ours")
    return root


def changed(source: Path, target: Path, change: Callable[[Members], None]) -> Path:
    """The pack with its members changed, as somebody could who knows how a zip is written."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def test_a_pack_is_the_store(stores: Path, tmp_path: Path) -> None:
    store = unpack(stores / "ours.rbz", tmp_path / "a")
    assert store.table("scores").equals(Store(stores / "ours").table("scores"))
    sounds = sorted(path.name for path in (stores / "ours" / "restored").iterdir())
    assert sorted(path.name for path in (tmp_path / "a" / "restored").iterdir()) == sounds
    held = contents(stores / "theirs.rbz", tmp_path / "b")
    assert (held.suites, held.systems, held.sounds) == (("demo",), ("unprocessed", "target"), 0)
    assert (held.values, held.failed, held.missing) == (12, 0, 0)


def test_equal_stores_give_equal_packs(stores: Path, tmp_path: Path) -> None:
    shutil.copytree(stores / "ours", tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*"):
        path.touch()
    pack(tmp_path / "copy", tmp_path / "again.rbz", sounds=True)
    assert (tmp_path / "again.rbz").read_bytes() == (stores / "ours.rbz").read_bytes()


def _first(members: Members, start: str) -> str:
    return next(name for name in members if name.startswith(start))


def _other_number(members: Members) -> None:
    name = _first(members, "scores/")
    members[name] = members[_first(dict(reversed(members.items())), "scores/")]


CHANGES: dict[str, tuple[Callable[[Members], None], str]] = {
    "a record": (_other_number, "was changed"),
    "a plan": (lambda m: m.update({_first(m, "plans/"): m[_first(m, "plans/")] + b" "}), "was changed"),
    "one more": (lambda m: m.update({"scores/more.parquet": b""}), "differ in scores/more.parquet"),
    "one less": (lambda m: m.pop(_first(m, "scores/")) and None, "differ in scores/"),
    "outside": (lambda m: m.update({"../outside": b""}), "'../outside', which no pack holds"),
    "absolute": (lambda m: m.update({"/tmp/outside": b""}), "which no pack holds"),
    "no manifest": (lambda m: m.pop(MANIFEST) and None, "no whole pack"),
    "other format": (lambda m: m.update({MANIFEST: b'{"format": 9}'}), "of format 9"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_pack_is_refused(what: str, stores: Path, tmp_path: Path) -> None:
    change, said = CHANGES[what]
    forged = changed(stores / "ours.rbz", tmp_path / "f.rbz", change)
    with pytest.raises(RequestError, match=said.replace("/", "/")):
        unpack(forged, tmp_path / "into")
    assert not (tmp_path / "outside").exists()


def test_no_flipped_byte_passes(stores: Path, tmp_path: Path) -> None:
    whole = bytearray((stores / "theirs.rbz").read_bytes())
    with zipfile.ZipFile(stores / "theirs.rbz") as archive:
        info = archive.getinfo(_first(dict.fromkeys(archive.namelist(), b""), "scores/"))
    whole[info.header_offset + 200] ^= 1
    (tmp_path / "f.rbz").write_bytes(whole)
    with pytest.raises(RequestError, match="no whole pack"):
        unpack(tmp_path / "f.rbz", tmp_path / "into")


def test_what_unpacks_to_too_much_is_refused(stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MOST_BYTES", 1000)
    monkeypatch.setattr(packs, "MOST_TIMES", 1)
    with zipfile.ZipFile(tmp_path / "f.rbz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scores/a.parquet", b"0" * 1_000_000)
    with pytest.raises(RequestError, match="would unpack to"):
        unpack(tmp_path / "f.rbz", tmp_path / "into")


def test_a_board_joins_packs_and_says_that_they_are_self_reported(cli: Cli, stores: Path, tmp_path: Path) -> None:
    done = cli("board", stores / "ours", stores / "theirs.rbz", "--format", "md")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("unprocessed", "spectral-gate", "target", "self-reported"))
    assert "the 6 values that both measured agree" in done.stdout
    with joined([stores / "ours", stores / "theirs.rbz"]) as (store, _):
        assert store.plans()[0].systems == ("unprocessed", "spectral-gate", "target")
        assert store.table("scores").num_rows == 18
    told = cli("submit", "check", stores / "ours.rbz")
    assert told.returncode == 0
    assert hashlib.sha256((stores / "ours.rbz").read_bytes()).hexdigest() in told.stderr + told.stdout


def test_a_forged_value_of_a_common_system_shows(stores: Path, tmp_path: Path) -> None:
    """A forger writes a whole pack: the manifest fits, but `unprocessed` is not what others measured."""
    forged = Store(tmp_path / "forged")
    shutil.copytree(stores / "theirs", forged.root)
    for path in list((forged.root / "scores").glob("*.parquet")):
        rows = [Record(**row) for row in pq.read_table(path).to_pylist()]
        path.unlink()
        forged.put("scores", [replace(row, value=(row.value or 0.0) + 0.5) for row in rows])
    pack(forged.root, tmp_path / "forged.rbz")
    with joined([stores / "ours.rbz", tmp_path / "forged.rbz"]) as (_, notes):
        assert any("6 of the 6 values that both measured differ" in note for note in notes)


def test_requests(cli: Cli, stores: Path, tmp_path: Path) -> None:
    (tmp_path / "no.rbz").write_bytes(json.dumps({}).encode())
    for arguments, said in (
        (("submit", "check", "no.rbz"), "no whole pack of results"),
        (("submit", "check", "absent.rbz"), "absent.rbz"),
        (("board", "no.rbz"), "no whole pack of results"),
        (("submit", "pack", stores / "ours", "--out", "x.zip"), "a name that ends in .rbz"),
        (("submit", "pack", tmp_path, "--out", "x.rbz"), "no store there"),
    ):
        done = cli(*arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
