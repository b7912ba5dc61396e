"""Files from wheels of a local package index: checked by hash, and written completely or not at all."""

from __future__ import annotations

import hashlib
import platform
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from restorebench.benchmark.data import weights, wheels
from restorebench.benchmark.data.weight_catalogue import CATALOGUE, Weights
from restorebench.benchmark.data.wheels import WheelFile, WheelMember, extract
from restorebench.benchmark.errors import RequestError
from tests.server import Pages, serving

FIRST, SECOND = (
    WheelMember("tiny-weights==1.0", "tiny_weights/a.bin"),
    WheelMember("tiny-weights==1.0", "tiny_weights/b.bin"),
)
CONTENT = b"a" * 1000 + b"b" * 500
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def write_wheel(path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes) -> None:
    metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"tiny_weights/{name}.bin", content)
        archive.writestr("tiny_weights-1.0.dist-info/METADATA", metadata)
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", kind)
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a package index that pip is configured to use; the index has one wheel."""
    folder = tmp_path / "site" / "simple" / "tiny-weights"
    folder.mkdir(parents=True)
    name = "tiny_weights-1.0-py3-none-any.whl"
    write_wheel(folder / name, a=b"a" * 1000, b=b"b" * 500)
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body><a href='{name}'>{name}</a></body></html>")
    with serving(tmp_path / "site", Pages) as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
        monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.delenv("RESTOREBENCH_OFFLINE", raising=False)
        yield folder


def refused(members: tuple[WheelMember, ...], target: Path, sha256: str, *words: str) -> None:
    with pytest.raises(RequestError) as caught:
        extract([WheelFile(target, members, sha256)])
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert not list(target.parent.glob("*"))


def test_members_are_joined_and_checked(index: Path, tmp_path: Path) -> None:
    extract([WheelFile(tmp_path / "cache" / "model.bin", (FIRST, SECOND), SHA256)])
    assert (tmp_path / "cache" / "model.bin").read_bytes() == CONTENT
    refused((FIRST, SECOND), tmp_path / "other" / "model.bin", "0" * 64, f"sha256 {SHA256}", "not used")


def test_a_tampered_wheel_and_a_wheel_without_the_member_are_refused(index: Path, tmp_path: Path) -> None:
    [wheel] = index.glob("*.whl")
    write_wheel(wheel, a=b"a" * 999 + b"x", b=b"b" * 500)
    refused((FIRST, SECOND), tmp_path / "cache" / "model.bin", SHA256, "wanted", SHA256)
    write_wheel(wheel, a=b"a" * 1000)
    refused((FIRST, SECOND), tmp_path / "cache" / "model.bin", SHA256, "does not hold tiny_weights/b.bin")
    wheel.write_bytes(b"not a zip")
    refused((FIRST,), tmp_path / "cache" / "model.bin", SHA256, "tiny-weights==1.0")


def test_a_member_that_would_fill_the_memory_is_not_read(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "LARGEST_MEMBER", 999)
    refused((FIRST, SECOND), tmp_path / "cache" / "model.bin", SHA256, "tiny_weights/a.bin is", "not read")


def test_an_absent_version_and_an_unreachable_index_are_refused(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = WheelMember("tiny-weights==2.0", "tiny_weights/a.bin")
    refused((absent,), tmp_path / "cache" / "model.bin", SHA256, "tiny-weights==2.0 could not be downloaded")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    refused((FIRST,), tmp_path / "cache" / "model.bin", SHA256, "tiny-weights==1.0 could not be downloaded")


def test_offline_downloads_nothing(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOREBENCH_OFFLINE", "1")
    refused((FIRST,), tmp_path / "cache" / "model.bin", SHA256, "RESTOREBENCH_OFFLINE is set")


def test_two_simultaneous_fetches_give_one_file(index: Path, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "model.bin"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: extract([WheelFile(target, (FIRST, SECOND), SHA256)]), range(2)))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["model.bin"]


@pytest.mark.parametrize(
    ("compression", "reason"), [(zipfile.ZIP_STORED, "pip"), (zipfile.ZIP_DEFLATED, "File too large")]
)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int, reason: str
) -> None:
    """A limit on the size of files stands in for a full disk: pip cannot write the wheel of 400 kB; or the compressed
    wheel fits, but the file of 400 kB does not."""
    import resource

    [wheel] = index.glob("*.whl")
    write_wheel(wheel, compression, a=b"a" * 200_000, b=b"b" * 200_000)
    sha256 = hashlib.sha256(b"a" * 200_000 + b"b" * 200_000).hexdigest()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        refused((FIRST, SECOND), tmp_path / "cache" / "model.bin", sha256, "tiny-weights==1.0", reason)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_wheel_is_downloaded_once_for_all_its_files(index: Path, tmp_path: Path) -> None:
    halves = {"a": (FIRST, b"a" * 1000), "b": (SECOND, b"b" * 500)}
    wanted = [
        WheelFile(tmp_path / name, (member,), hashlib.sha256(content).hexdigest())
        for name, (member, content) in halves.items()
    ]
    Pages.asked.clear()
    extract(wanted)
    assert [(tmp_path / name).read_bytes() for name in halves] == [content for _, content in halves.values()]
    assert len([path for path in Pages.asked if path.endswith(".whl")]) == 1


def test_the_wheel_is_used_where_the_address_fails(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When both fail, the error gives the fault of the address first, then that of the wheel."""
    monkeypatch.setattr(weights, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("RESTOREBENCH_WEIGHTS", str(tmp_path / "mirror"))
    dead = "http://127.0.0.1:9/toy.bin"
    entry = Weights("toy/toy.bin", dead, SHA256, len(CONTENT), "MIT", (FIRST, SECOND))
    monkeypatch.setitem(CATALOGUE, "toy", entry)
    assert weights.fetch("toy").read_bytes() == CONTENT
    (tmp_path / "cache" / "toy" / "toy.bin").unlink()
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(RequestError, match=r"127\.0\.0\.1:9/toy.*; then tiny-weights==1.0 could not be downloaded"):
        weights.fetch("toy")


def test_a_file_that_is_not_published_for_this_machine_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setitem(CATALOGUE, "toy", Weights("toy/library", "", "0" * 64, 0, "MIT"))
    with pytest.raises(RequestError, match=f"no file is published for {platform.system()} on {platform.machine()}"):
        weights.fetch("toy")
