"""Corpora are fetched as archives from a local HTTP server, or imported from existing copies."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from restorebench.benchmark.data.corpora import fetch
from restorebench.benchmark.data.corpora.catalogue import CORPORA
from restorebench.benchmark.errors import RequestError
from tests.conftest import Cli
from tests.fake_corpora import FAKES, small
from tests.server import Ranged, serving

FETCHED = [name for name, entry in CORPORA.items() if entry.archives]


def quietly(stage: str, total: int, steps: object) -> None:
    for _ in steps:  # type: ignore[attr-defined]
        pass


TOPS = {
    "dns2021": "V2_V3_DNSChallenge_Blindset", "librispeech-test-clean": "LibriSpeech/test-clean",
    "librispeech-train-clean-100": "LibriSpeech/train-clean-100",
    "dns-noise": "datasets_fullband/noise_fullband", "dns-rir": "./datasets_fullband/impulse_responses",
}  # fmt: skip
"""Top folders of the owners' archives, as reported by people who unpacked them."""


def pack(name: str, root: Path, site: Path) -> dict[str, Path]:
    """The corpus's archives as the owner packs them: archive name -> file."""
    FAKES[name].write(root)
    files = sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())
    archives, top = CORPORA[name].archives, TOPS.get(name, "")
    paths = {}
    for index, archive in enumerate(archives):
        path = site / archive.name
        # A corpus's files are divided among its archives; VoiceBank's noisy and clean speech have one archive each.
        own = [f for f in files if f.parts[0] == archive.name.removesuffix(".zip")] or files[index :: len(archives)]
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
                for file in own:
                    zipped.write(root / file, f"{top}/{file}" if top else str(file))
        else:
            with tarfile.open(path, "w:bz2" if path.suffix == ".bz2" else "w:gz") as tarred:
                for file in own:
                    tarred.add(root / file, f"{top}/{file}" if top else str(file))
                tarred.add(__file__, "READ_ME_BESIDE_IT.txt") if top else None
        paths[archive.name] = path
    return paths


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every corpus in `packed` and its archives in `site`."""
    folder = tmp_path_factory.mktemp("archives")
    (folder / "site").mkdir()
    for name in FETCHED:
        pack(name, folder / "packed" / name, folder / "site")
    return folder


@pytest.fixture
def site(archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every corpus's archives on a server, with their true checksums in the catalogue; the data folder is empty."""
    for part in ("packed", "site"):
        shutil.copytree(archives / part, tmp_path / part)
    folder = tmp_path / "site"
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(Ranged, "cut", None)
    Ranged.asked.clear()
    with serving(folder) as address:
        for name in FETCHED:
            served = tuple(
                replace(
                    archive,
                    url=f"{address}/{archive.name}",
                    bytes=0,
                    # VoiceBank's owner publishes md5, the others sha256 or nothing.
                    checksum=hashlib.new(
                        "md5" if name == "voicebank-demand" else "sha256", (folder / archive.name).read_bytes()
                    ).hexdigest(),
                )
                for archive in CORPORA[name].archives
            )
            monkeypatch.setitem(CORPORA, name, replace(small(name), archives=served))
        yield folder


@pytest.mark.parametrize("name", FETCHED)
def test_a_fetched_corpus_is_unpacked_and_complete(name: str, site: Path, tmp_path: Path) -> None:
    folder = fetch.fetch(name, quietly)
    assert folder == tmp_path / "data" / CORPORA[name].folder
    packed = tmp_path / "packed" / name
    for file in packed.rglob("*"):
        if file.is_file():
            assert (folder / file.relative_to(packed)).read_bytes() == file.read_bytes()
    assert not (folder / "READ_ME_BESIDE_IT.txt").exists()
    assert not (tmp_path / "data" / ".archives" / name).exists(), "archives are not kept beside their content"
    shutil.rmtree(site)
    assert fetch.fetch(name, quietly) == folder, "a complete corpus is not fetched again"


def test_noise_is_noisy_minus_clean(site: Path) -> None:
    folder = fetch.fetch("voicebank-demand", quietly)
    for path in (folder / "noise").iterdir():
        noise, rate = soundfile.read(path, dtype="int32")
        noisy, _ = soundfile.read(folder / "noisy_testset_wav" / f"{path.stem}.wav", dtype="int16")
        clean, _ = soundfile.read(folder / "clean_testset_wav" / f"{path.stem}.wav", dtype="int16")
        assert rate == 48_000
        assert np.array_equal(noise >> 16, noisy.astype(np.int32) - clean)


def test_a_download_resumes_after_a_cut_connection(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranged, "cut", 100_000)
    with pytest.raises(RequestError, match="the received part is kept; run the same command again"):
        fetch.fetch("vctk", quietly)
    monkeypatch.setattr(Ranged, "cut", None)
    assert fetch.fetch("vctk", quietly).is_dir()
    assert Ranged.asked[-1] not in (None, "bytes=0-")


def test_a_wrong_checksum_is_refused_with_both_checksums(site: Path, tmp_path: Path) -> None:
    name = CORPORA["voicebank-demand"].archives[1].name
    (site / name).write_bytes((site / name).read_bytes() + b"x")
    seen = hashlib.md5((site / name).read_bytes()).hexdigest()
    with pytest.raises(RequestError, match=f"md5 {seen}, wanted {CORPORA['voicebank-demand'].archives[1].checksum}"):
        fetch.fetch("voicebank-demand", quietly)
    assert list((tmp_path / "data" / ".archives" / "voicebank-demand").glob("*")), "nothing is deleted"
    with pytest.raises(RequestError, match=f"md5 {seen}, wanted"):
        fetch.import_copy("voicebank-demand", site, quietly)


def test_archives_in_a_folder_of_the_user_are_imported(site: Path, tmp_path: Path) -> None:
    folder = fetch.import_copy("dns2021", site, quietly)
    assert fetch.missing_files(CORPORA["dns2021"], folder) == ""
    assert (site / CORPORA["dns2021"].archives[0].name).is_file(), "the user's archives stay"


def test_a_copy_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path / "data"))
    for name in ("vctk", "voicebank-demand"):
        monkeypatch.setitem(CORPORA, name, small(name))
        FAKES[name].write(tmp_path / name)
    assert fetch.import_copy("vctk", tmp_path / "vctk", quietly).is_symlink()
    imported = fetch.import_copy("voicebank-demand", tmp_path / "voicebank-demand", quietly)
    assert len(list((imported / "noise").iterdir())) == 2
    assert not (tmp_path / "voicebank-demand" / "noise").exists(), "nothing is written into the user's copy"


@pytest.mark.parametrize("above", ["", "LibriSpeech", "test-clean/LibriSpeech"])
def test_a_copy_is_found_within_its_folder(above: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unpacked archive has LibriSpeech/test-clean; a public repository has one more folder around it."""
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(CORPORA, "librispeech-test-clean", small("librispeech-test-clean"))
    copy = tmp_path / "copy" / above / "test-clean"
    FAKES["librispeech-test-clean"].write(copy)
    linked = fetch.import_copy("librispeech-test-clean", tmp_path / "copy", quietly)
    assert linked.resolve() == copy.resolve()


@pytest.mark.parametrize("name", FETCHED)
def test_a_broken_archive_leaves_no_corpus(name: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a checksum from the owner, a truncated archive is found when it is unpacked."""
    entry = CORPORA[name]
    monkeypatch.setitem(CORPORA, name, replace(entry, archives=tuple(replace(a, checksum="") for a in entry.archives)))
    broken = site / entry.archives[0].name
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(RequestError, match=r"cannot be unpacked \(.+\); remove it and fetch it again"):
        fetch.fetch(name, quietly)
    assert not os.path.lexists(fetch.folder_of(name))


@pytest.mark.parametrize("name", [name for name in FETCHED if name != "vctk"])
def test_a_flipped_bit_is_found(name: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a checksum from the owner, a flipped bit anywhere in the archive gives an error message and no corpus."""
    entry = CORPORA[name]
    monkeypatch.setitem(CORPORA, name, replace(entry, archives=tuple(replace(a, checksum="") for a in entry.archives)))
    path = site / entry.archives[0].name
    whole = path.read_bytes()
    for share in (0.05, 0.2, 0.5, 0.8):
        damaged = bytearray(whole)
        damaged[int(share * len(whole))] ^= 0x10
        path.write_bytes(bytes(damaged))
        with pytest.raises(RequestError, match=r"cannot be unpacked \(.+\); remove it and fetch it again"):
            fetch.import_copy(name, site, quietly)
        assert not os.path.lexists(fetch.folder_of(name))


def test_an_archive_of_another_layout_says_what_it_holds(site: Path, tmp_path: Path) -> None:
    [archive] = CORPORA["dns2021"].archives
    with zipfile.ZipFile(site / archive.name, "w") as zipped:
        zipped.write(__file__, "another_folder/clip.wav")
    with pytest.raises(RequestError, match="sha256"):
        fetch.import_copy("dns2021", site, quietly)
    CORPORA["dns2021"] = replace(CORPORA["dns2021"], archives=(replace(archive, checksum=""),))
    with pytest.raises(RequestError, match="holds another_folder; wanted V2_V3_DNSChallenge_Blindset or V2_V3"):
        fetch.import_copy("dns2021", site, quietly)


@pytest.mark.parametrize("name", ["dns2021", "dns-rir"])
def test_a_small_archive_cannot_fill_the_disk(name: str, site: Path, tmp_path: Path) -> None:
    """A zip or tar archive with more than three times the size of its corpus is not unpacked."""
    [archive] = CORPORA[name].archives
    CORPORA[name] = replace(CORPORA[name], bytes=10_000, archives=(replace(archive, checksum=""),))
    zeros = tmp_path / "clip.wav"
    zeros.write_bytes(bytes(31_000))
    member = f"{archive.top[0]}/clip.wav"
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(site / archive.name, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.write(zeros, member)
    else:
        with tarfile.open(site / archive.name, "w:bz2") as packed:
            packed.add(zeros, member)
    with pytest.raises(RequestError, match="3 times the corpus's size; not unpacked"):
        fetch.import_copy(name, site, quietly)
    assert not os.path.lexists(fetch.folder_of(name))


def test_concurrent_fetches_agree_and_download_once(site: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(lambda _: fetch.fetch("dns2021", quietly), range(3)))
    assert len(set(folders)) == 1
    assert len(Ranged.asked) == 1, "the archive was downloaded once"


def test_a_copy_of_git_lfs_pointers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(CORPORA, "dns2020", small("dns2020"))
    FAKES["dns2020"].write(tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*.wav"):
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(RequestError, match="git-lfs pointers; run: git lfs pull"):
        fetch.import_copy("dns2020", tmp_path / "copy", quietly)


def test_bytes_that_were_received_earlier_need_no_free_space(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command continues on a disk that had enough free space when the download began."""
    entry = CORPORA["dns2021"]
    [archive] = entry.archives
    sized = replace(archive, bytes=(site / archive.name).stat().st_size)
    monkeypatch.setitem(CORPORA, "dns2021", replace(entry, archives=(sized,)))
    received = fetch.data_root() / ".archives" / "dns2021"
    received.mkdir(parents=True)
    shutil.copy(site / archive.name, received / archive.name)
    free = CORPORA["dns2021"].bytes + sized.bytes // 2
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, free))  # type: ignore[attr-defined]
    monkeypatch.setenv("RESTOREBENCH_OFFLINE", "1")
    assert fetch.fetch("dns2021", quietly).is_dir()


def test_an_incomplete_corpus_folder_is_not_touched(site: Path, tmp_path: Path) -> None:
    incomplete = tmp_path / "data" / "vctk" / "wav48_silence_trimmed"
    incomplete.mkdir(parents=True)
    with pytest.raises(RequestError, match="exists but is not complete; move it away"):
        fetch.fetch("vctk", quietly)
    assert incomplete.is_dir()


def test_too_little_disk_space_is_reported_before_a_download(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA, "vctk", replace(CORPORA["vctk"], bytes=10**18))
    with pytest.raises(RequestError, match=r"VCTK 0\.92 needs about 1000000000\.0 GB more, .* has .* GB free"):
        fetch.fetch("vctk", quietly)
    assert not Ranged.asked


def test_the_command_states_size_and_licence(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path / "data"))
    done = cli("data", "fetch", "librispeech-test-clean", "--offline")
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("LibriSpeech test-clean: 0.4 GB, licence CC BY 4.0, to ")
    assert second.endswith("is not fetched: RESTOREBENCH_OFFLINE is set; unset it to allow downloads")
    by_hand = cli("data", "fetch", "seedtts")
    assert by_hand.returncode == 2
    assert "has no address to fetch it from; fetch seedtts_testset.tar (1.2 GB) by the link in" in by_hand.stderr
    FAKES["vctk"].write(tmp_path / "vctk")
    small_copy = cli("data", "fetch", "vctk", "--from", str(tmp_path / "vctk"))
    assert small_copy.returncode == 2
    assert "2 files wav48_silence_trimmed/p360/*_mic1.flac; wanted 125 or more; or name a folder with the archives" in (
        small_copy.stderr
    )
    assert cli("data", "fetch", "gtcrn", "--from", ".").returncode == 2
    listed = cli("data", "list", "--format", "csv")
    assert "vctk,13 GB,CC BY 4.0,absent" in listed.stdout
