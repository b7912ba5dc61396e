"""Weights over HTTP from a real local server: only the right hash is kept; mirror and cache come first."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from restorebench.benchmark import weights
from restorebench.benchmark.errors import RequestError

CONTENT = b"weights" * 1000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A catalogue entry `toy` whose file lies on a local server; the cache is an empty folder."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "toy.bin").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/toy.bin"
    entry = weights.Weights("toy/toy.bin", url, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "MIT")
    monkeypatch.setitem(weights.CATALOGUE, "toy", entry)
    monkeypatch.setenv("RESTOREBENCH_WEIGHTS", str(tmp_path / "mirror"))
    monkeypatch.setattr(weights, "cache_folder", lambda: tmp_path / "cache")
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetched_once_then_present(served: Path, tmp_path: Path) -> None:
    assert weights.present("toy") is None
    path = weights.fetch("toy")
    assert path == tmp_path / "cache" / "toy" / "toy.bin"
    assert path.read_bytes() == CONTENT
    (served / "toy.bin").unlink()
    assert weights.fetch("toy") == path


def test_the_mirror_comes_first(served: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mirror" / "toy" / "toy.bin"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CONTENT)
    assert weights.fetch("toy") == copy


def test_a_wrong_download_is_not_kept(served: Path, tmp_path: Path) -> None:
    (served / "toy.bin").write_bytes(b"something else")
    with pytest.raises(RequestError, match=r"toy\.bin could not be fetched.*RESTOREBENCH_WEIGHTS"):
        weights.fetch("toy")
    assert not (tmp_path / "cache" / "toy" / "toy.bin").exists()


def test_a_wrong_file_says_both_hashes(served: Path, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "toy" / "toy.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    seen, wanted = (hashlib.sha256(data).hexdigest() for data in (b"damaged", CONTENT))
    with pytest.raises(RequestError, match=f"{seen}, wanted {wanted}"):
        weights.fetch("toy")
    assert path.read_bytes() == b"damaged"


def test_every_entry_is_whole() -> None:
    unknown = {name for name, entry in weights.CATALOGUE.items() if not entry.sha256}
    unhashed = {"dac-44khz", "dac-16khz", "hubert-base", "nemo-conformer-transducer-xlarge", "wespeaker-resnet221-lm"}
    assert unknown == unhashed | set(weights.PARAFORMER)  # their owners publish no hash that we could read
    for entry in weights.CATALOGUE.values():
        assert len(entry.sha256) in (0, 64)
        assert entry.url.startswith("https://")
        assert entry.licence


def test_a_file_without_a_published_hash_is_held_to_its_first_fetch(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setitem(weights.CATALOGUE, "toy", replace(weights.CATALOGUE["toy"], sha256=""))
    assert weights.identity("toy") == ""
    path = weights.fetch("toy")
    assert weights.identity("toy") == hashlib.sha256(CONTENT).hexdigest()
    path.write_bytes(b"changed")
    with pytest.raises(RequestError, match="remove the file and fetch it again"):
        weights.present("toy")
