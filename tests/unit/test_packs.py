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


def repacked(store: Path, target: Path, change: Callable[[float], float]) -> None:
    """A whole pack of a copy of the store, with every value changed."""
    copy = Store(target.with_suffix(".store"))
    shutil.copytree(store, copy.root)
    for path in list((copy.root / "scores").glob("*.parquet")):
        rows = [Record(**row) for row in pq.read_table(path).to_pylist()]
        path.unlink()
        copy.put("scores", [replace(row, value=change(row.value or 0.0)) for row in rows])
    pack(copy.root, target)


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
    "no manifest": (lambda m: m.pop(MANIFEST) and None, "not a complete pack"),
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
    with pytest.raises(RequestError, match="not a complete pack"):
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
    assert "theirs.rbz: the 6 values that an earlier source also measured agree" in done.stdout
    with joined([stores / "ours", stores / "theirs.rbz"]) as (store, _):
        assert store.plans()[0].systems == ("unprocessed", "target", "spectral-gate")
        assert store.table("scores").num_rows == 18
    told = cli("submit", "check", stores / "ours.rbz")
    assert told.returncode == 0
    assert hashlib.sha256((stores / "ours.rbz").read_bytes()).hexdigest() in told.stderr + told.stdout


def test_a_forged_value_of_a_common_system_shows(stores: Path, tmp_path: Path) -> None:
    """A forger writes a whole pack: the manifest fits, but `unprocessed` is not what others measured."""
    repacked(stores / "theirs", tmp_path / "forged.rbz", lambda value: value + 0.5)
    for sources in (["forged.rbz", "ours"], ["ours.rbz", "theirs.rbz", "forged.rbz"]):  # a folder comes first
        paths = [tmp_path / name if name == "forged.rbz" else stores / name for name in sources]
        with joined(paths) as (store, notes):
            told = "forged.rbz: 6 of the 6" if len(paths) == 2 else "forged.rbz: 12 of the 12"
            assert any(note.startswith(f"{told} values that an earlier source also measured differ") for note in notes)
            assert means(store)["unprocessed"] == means(Store(stores / "ours"))["unprocessed"]


def means(store: Store) -> dict[str, float]:
    rows = store.table("scores").to_pandas()
    return dict(rows[rows["value_name"] == "lsd"].groupby("system")["value"].mean())


def test_a_forged_card_changes_no_column_of_ours(stores: Path, tmp_path: Path) -> None:
    """The other direction, another label, and our system as an anchor."""
    [plan] = Store(stores / "ours").plans()
    card = plan.metric_cards["lsd"]
    turned = card.values[0].model_copy(update={"direction": "higher", "label": "forged"})
    anchor = plan.system_cards["spectral-gate"].model_copy(update={"kind": "anchor"})
    forged = replace(
        plan,
        metric_cards={**plan.metric_cards, "lsd": card.model_copy(update={"values": (turned, *card.values[1:])})},
        system_cards={**plan.system_cards, "spectral-gate": anchor},
    )
    Store(tmp_path / "forged").put_plan(forged)
    pack(tmp_path / "forged", tmp_path / "forged.rbz")
    with joined([tmp_path / "forged.rbz", stores / "ours"]) as (store, _):
        [shown] = store.plans()
        assert (shown.metric_cards, shown.system_cards) == (plan.metric_cards, plan.system_cards)


def test_a_namesake_is_told(stores: Path, tmp_path: Path) -> None:
    """Two people's `spectral-gate` that are not the same: a board has one row of the name, and says so."""
    [plan] = Store(stores / "ours").plans()
    jobs = tuple(replace(j, key=f"{j.key}0") if j.system == "spectral-gate" else j for j in plan.jobs)
    Store(tmp_path / "other").put_plan(replace(plan, jobs=jobs))
    with joined([stores / "ours", tmp_path / "other"]) as (_, notes):
        assert [note for note in notes if "its spectral-gate is another one" in note]
        assert not [note for note in notes if "its unprocessed is another one" in note]


def test_a_number_that_is_none_is_refused(stores: Path, tmp_path: Path) -> None:
    repacked(stores / "theirs", tmp_path / "odd.rbz", lambda value: float("nan"))
    with pytest.raises(RequestError, match=r"odd.rbz: is not a complete pack of results \(a value is nan\)"):
        unpack(tmp_path / "odd.rbz", tmp_path / "into")


def test_csv_tells_beside_the_table_who_reported(cli: Cli, stores: Path) -> None:
    done = cli("board", stores / "ours", stores / "theirs.rbz", "--format", "csv")
    assert "self-reported" in done.stderr
    assert "self-reported" not in done.stdout


def test_every_name_of_a_suite_goes_through_a_pack(tmp_path: Path) -> None:
    suite = load_suite("demo").model_copy(update={"name": "@démo-é"})
    execute(make_plan(suite, ["target"], ["lsd"], limit=1), tmp_path / "s", 1)
    pack(tmp_path / "s", tmp_path / "s.rbz")
    assert contents(tmp_path / "s.rbz", tmp_path / "into").suites == ("@démo-é",)


def test_a_file_that_is_none_of_a_stores_is_named(stores: Path, tmp_path: Path) -> None:
    shutil.copytree(stores / "ours", tmp_path / "s")
    (tmp_path / "s" / "scores" / "my notes.txt").touch()
    with pytest.raises(RequestError, match=r"scores/my notes.txt is no file of a store"):
        pack(tmp_path / "s", tmp_path / "s.rbz")


@pytest.mark.parametrize(
    "manifest",
    [b"[1]", b"{}", b'{"format": 1, "members": ["a"]}', b'{"format": 1, "members": {"provenance.json": 7}}', b"\xff",
     b'{"format": 1, "members": null}', b"[" * 100_000],
)  # fmt: skip
def test_malformed_manifests_are_refused_in_one_line(manifest: bytes, stores: Path, tmp_path: Path) -> None:
    def change(members: Members) -> None:
        members[MANIFEST] = manifest

    with pytest.raises(RequestError):
        unpack(changed(stores / "theirs.rbz", tmp_path / "f.rbz", change), tmp_path / "into")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_ignore_a_declared_size_are_refused(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.rbz", "w", method) as archive:
        archive.writestr("scores/a.parquet", b"0" * 1000)
    with pytest.raises(RequestError, match="packed by a method that no pack uses"):
        unpack(tmp_path / "f.rbz", tmp_path / "into")


def test_no_flipped_byte_of_a_plan_passes(stores: Path, tmp_path: Path) -> None:
    """Plans are compressed; zlib has errors of its own."""
    whole = (stores / "theirs.rbz").read_bytes()
    with zipfile.ZipFile(stores / "theirs.rbz") as archive:
        info = next(info for info in archive.infolist() if info.filename.startswith("plans/demo"))
    start = info.header_offset + 30 + len(info.filename)
    for place in range(start, start + info.compress_size, info.compress_size // 20):
        (tmp_path / "f.rbz").write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(RequestError, match=r"not a complete pack|was changed"):
            unpack(tmp_path / "f.rbz", tmp_path / f"into{place}")


def test_requests(cli: Cli, stores: Path, tmp_path: Path) -> None:
    (tmp_path / "no.rbz").write_bytes(json.dumps({}).encode())
    for arguments, said in (
        (("submit", "check", "no.rbz"), "not a complete pack of results"),
        (("submit", "check", "absent.rbz"), "absent.rbz"),
        (("board", "no.rbz"), "not a complete pack of results"),
        (("submit", "pack", stores / "ours", "--out", "x.zip"), "a name that ends in .rbz"),
        (("submit", "pack", tmp_path, "--out", "x.rbz"), "no store there"),
    ):
        done = cli(*arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
