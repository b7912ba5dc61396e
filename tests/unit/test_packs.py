"""Packs: a store in one file that is unpacked only when complete; boards that join the packs of several people."""

from __future__ import annotations

import hashlib
import json
import re
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
    """Write a copy of the pack `source` in which `change` was applied to the members; returns `target`."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def repacked(store: Path, target: Path, change: Callable[[float], float]) -> None:
    """Write a complete pack of a copy of the store in which `change` was applied to every value."""
    copy = Store(target.with_suffix(".store"))
    shutil.copytree(store, copy.root)
    for path in list((copy.root / "scores").glob("*.parquet")):
        rows = [Record(**row) for row in pq.read_table(path).to_pylist()]
        path.unlink()
        copy.put("scores", [replace(row, value=change(row.value or 0.0)) for row in rows])
    pack(copy.root, target)


def test_an_unpacked_pack_equals_its_store(stores: Path, tmp_path: Path) -> None:
    store = unpack(stores / "ours.rbz", tmp_path / "a")
    assert store.table("scores").equals(Store(stores / "ours").table("scores"))
    sounds = sorted(path.name for path in (stores / "ours" / "restored").iterdir())
    assert sorted(path.name for path in (tmp_path / "a" / "restored").iterdir()) == sounds
    summary = contents(stores / "theirs.rbz", tmp_path / "b")
    assert (summary.suites, summary.systems, summary.sounds) == (("demo",), ("unprocessed", "target"), 0)
    assert (summary.values, summary.failed, summary.missing) == (12, 0, 0)


def test_equal_stores_give_equal_packs(stores: Path, tmp_path: Path) -> None:
    shutil.copytree(stores / "ours", tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*"):
        path.touch()
    pack(tmp_path / "copy", tmp_path / "again.rbz", sounds=True)
    assert (tmp_path / "again.rbz").read_bytes() == (stores / "ours.rbz").read_bytes()


def _first_name(members: Members, start: str) -> str:
    return next(name for name in members if name.startswith(start))


def _replace_first_scores(members: Members) -> None:
    name = _first_name(members, "scores/")
    members[name] = members[_first_name(dict(reversed(members.items())), "scores/")]


CHANGES: dict[str, tuple[Callable[[Members], None], str]] = {
    "changed record": (_replace_first_scores, "was changed"),
    "changed plan": (lambda m: m.update({_first_name(m, "plans/"): m[_first_name(m, "plans/")] + b" "}), "was changed"),
    "extra member": (lambda m: m.update({"scores/more.parquet": b""}), "differ in scores/more.parquet"),
    "missing member": (lambda m: m.pop(_first_name(m, "scores/")) and None, "differ in scores/"),
    "relative path outside": (lambda m: m.update({"../outside": b""}), "'../outside', which no pack holds"),
    "absolute path": (lambda m: m.update({"/tmp/outside": b""}), "which no pack holds"),
    "no manifest": (lambda m: m.pop(MANIFEST) and None, "not a complete pack"),
    "other format": (lambda m: m.update({MANIFEST: b'{"format": 9}'}), "of format 9"),
}


@pytest.mark.parametrize("change_name", CHANGES)
def test_a_changed_pack_is_refused(change_name: str, stores: Path, tmp_path: Path) -> None:
    change, message = CHANGES[change_name]
    forged = changed(stores / "ours.rbz", tmp_path / "f.rbz", change)
    with pytest.raises(RequestError, match=re.escape(message)):
        unpack(forged, tmp_path / "into")
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/outside").exists()


def test_a_flipped_byte_in_the_scores_is_refused(stores: Path, tmp_path: Path) -> None:
    content = bytearray((stores / "theirs.rbz").read_bytes())
    with zipfile.ZipFile(stores / "theirs.rbz") as archive:
        info = archive.getinfo(_first_name(dict.fromkeys(archive.namelist(), b""), "scores/"))
    content[info.header_offset + 200] ^= 1
    (tmp_path / "f.rbz").write_bytes(content)
    with pytest.raises(RequestError, match="not a complete pack"):
        unpack(tmp_path / "f.rbz", tmp_path / "into")


def test_a_pack_that_would_unpack_to_too_many_bytes_is_refused(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    checked = cli("submit", "check", stores / "ours.rbz")
    assert checked.returncode == 0
    assert hashlib.sha256((stores / "ours.rbz").read_bytes()).hexdigest() in checked.stderr + checked.stdout


def test_a_forged_value_of_a_system_in_both_sources_is_reported(stores: Path, tmp_path: Path) -> None:
    """The forged pack is complete and agrees with its manifest, but other people measured `unprocessed` differently."""
    repacked(stores / "theirs", tmp_path / "forged.rbz", lambda value: value + 0.5)
    # Of the first pair, `ours` is read first, because a folder comes before any pack.
    for sources in (["forged.rbz", "ours"], ["ours.rbz", "theirs.rbz", "forged.rbz"]):
        paths = [tmp_path / name if name == "forged.rbz" else stores / name for name in sources]
        with joined(paths) as (store, notes):
            note_start = "forged.rbz: 6 of the 6" if len(paths) == 2 else "forged.rbz: 12 of the 12"
            assert any(
                note.startswith(f"{note_start} values that an earlier source also measured differ") for note in notes
            )
            assert means(store)["unprocessed"] == means(Store(stores / "ours"))["unprocessed"]


def means(store: Store) -> dict[str, float]:
    rows = store.table("scores").to_pandas()
    return dict(rows[rows["value_name"] == "lsd"].groupby("system")["value"].mean())


def test_a_forged_card_changes_no_column_of_ours(stores: Path, tmp_path: Path) -> None:
    """The forged cards give LSD the opposite direction and another label, and declare our system an anchor."""
    [plan] = Store(stores / "ours").plans()
    card = plan.metric_cards["lsd"]
    forged_value = card.values[0].model_copy(update={"direction": "higher", "label": "forged"})
    forged_system = plan.system_cards["spectral-gate"].model_copy(update={"kind": "anchor"})
    forged = replace(
        plan,
        metric_cards={**plan.metric_cards, "lsd": card.model_copy(update={"values": (forged_value, *card.values[1:])})},
        system_cards={**plan.system_cards, "spectral-gate": forged_system},
    )
    Store(tmp_path / "forged").put_plan(forged)
    pack(tmp_path / "forged", tmp_path / "forged.rbz")
    with joined([tmp_path / "forged.rbz", stores / "ours"]) as (store, _):
        [shown] = store.plans()
        assert (shown.metric_cards, shown.system_cards) == (plan.metric_cards, plan.system_cards)


def test_different_systems_of_one_name_are_reported(stores: Path, tmp_path: Path) -> None:
    """`spectral-gate` of two people differs: the board has one row of that name, and a note says so."""
    [plan] = Store(stores / "ours").plans()
    jobs = tuple(replace(job, key=f"{job.key}0") if job.system == "spectral-gate" else job for job in plan.jobs)
    Store(tmp_path / "other").put_plan(replace(plan, jobs=jobs))
    with joined([stores / "ours", tmp_path / "other"]) as (_, notes):
        assert [note for note in notes if "its spectral-gate differs from the earlier source's" in note]
        assert not [note for note in notes if "its unprocessed differs" in note]


def test_a_value_that_is_not_a_number_is_refused(stores: Path, tmp_path: Path) -> None:
    repacked(stores / "theirs", tmp_path / "odd.rbz", lambda value: float("nan"))
    with pytest.raises(RequestError, match=r"odd.rbz: is not a complete pack of results \(a value is nan\)"):
        unpack(tmp_path / "odd.rbz", tmp_path / "into")


def test_csv_says_on_stderr_that_values_are_self_reported(cli: Cli, stores: Path) -> None:
    done = cli("board", stores / "ours", stores / "theirs.rbz", "--format", "csv")
    assert "self-reported" in done.stderr
    assert "self-reported" not in done.stdout


def test_a_suite_name_with_special_characters_survives_packing(tmp_path: Path) -> None:
    suite = load_suite("demo").model_copy(update={"name": "@démo-é"})
    execute(make_plan(suite, ["target"], ["lsd"], limit=1), tmp_path / "s", 1)
    pack(tmp_path / "s", tmp_path / "s.rbz")
    assert contents(tmp_path / "s.rbz", tmp_path / "into").suites == ("@démo-é",)


def test_a_file_that_does_not_belong_to_a_store_is_named(stores: Path, tmp_path: Path) -> None:
    shutil.copytree(stores / "ours", tmp_path / "s")
    (tmp_path / "s" / "scores" / "my notes.txt").touch()
    with pytest.raises(RequestError, match=r"scores/my notes.txt is no file of a store"):
        pack(tmp_path / "s", tmp_path / "s.rbz")


@pytest.mark.parametrize(
    "manifest",
    [b"[1]", b"{}", b'{"format": 1, "members": ["a"]}', b'{"format": 1, "members": {"provenance.json": 7}}', b"\xff",
     b'{"format": 1, "members": null}', b"[" * 100_000],
)  # fmt: skip
def test_malformed_manifests_are_refused(manifest: bytes, stores: Path, tmp_path: Path) -> None:
    def change(members: Members) -> None:
        members[MANIFEST] = manifest

    with pytest.raises(RequestError):
        unpack(changed(stores / "theirs.rbz", tmp_path / "f.rbz", change), tmp_path / "into")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_methods_that_ignore_a_declared_size_are_refused(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.rbz", "w", method) as archive:
        archive.writestr("scores/a.parquet", b"0" * 1000)
    with pytest.raises(RequestError, match="is encrypted, or compressed by a method that no pack uses"):
        unpack(tmp_path / "f.rbz", tmp_path / "into")


def test_a_flipped_byte_in_a_plan_is_refused(stores: Path, tmp_path: Path) -> None:
    """Plans are compressed, so that a flipped byte can also cause an error of zlib."""
    content = (stores / "theirs.rbz").read_bytes()
    with zipfile.ZipFile(stores / "theirs.rbz") as archive:
        info = next(info for info in archive.infolist() if info.filename.startswith("plans/demo"))
    start = info.header_offset + 30 + len(info.filename)
    for position in range(start, start + info.compress_size, info.compress_size // 20):
        (tmp_path / "f.rbz").write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        with pytest.raises(RequestError, match=r"not a complete pack|was changed"):
            unpack(tmp_path / "f.rbz", tmp_path / f"into{position}")


def test_bad_requests_name_the_fault(cli: Cli, stores: Path, tmp_path: Path) -> None:
    (tmp_path / "no.rbz").write_bytes(json.dumps({}).encode())
    for arguments, message in (
        (("submit", "check", "no.rbz"), "not a complete pack of results"),
        (("submit", "check", "absent.rbz"), "absent.rbz"),
        (("board", "no.rbz"), "not a complete pack of results"),
        (("submit", "pack", stores / "ours", "--out", "x.zip"), "a name that ends in .rbz"),
        (("submit", "pack", tmp_path, "--out", "x.rbz"), "no store there"),
    ):
        done = cli(*arguments)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr
