"""Every corpus of the catalogue in its official layout: the clips that readers return, and the errors without it."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
import soundfile

from restorebench.benchmark import registry, suite
from restorebench.benchmark.contracts import Corpus
from restorebench.benchmark.data.corpora import fetch
from restorebench.benchmark.data.corpora.catalogue import CORPORA
from restorebench.benchmark.data.locations import audio_files, resolve_uri
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.planner import trials_of
from tests.fake_corpora import FAKES, Reading, small

READINGS = [(name, reading) for name, fake in FAKES.items() for reading in fake.readings]
NOISES = [name for name, fake in FAKES.items() if fake.noise]
IDS = [f"{name}-{'-'.join(str(v) for v in reading.options.values())}" for name, reading in READINGS]


def quietly(stage: str, total: int, steps: object) -> None:
    for _ in steps:  # type: ignore[attr-defined]
        pass


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and a catalogue whose corpora are as small as the fake ones."""
    folder = tmp_path / "data"
    monkeypatch.setenv("RESTOREBENCH_DATA", str(folder))
    for name in CORPORA:
        monkeypatch.setitem(CORPORA, name, small(name))
    return folder


def placed(name: str, tmp_path: Path) -> Path:
    """Writes a fake copy outside the data folder and imports it."""
    copy = tmp_path / "copies" / name
    FAKES[name].write(copy)
    fetch.import_copy(name, copy, quietly)
    return copy


def reader(reading: Reading) -> Corpus:
    corpus: Corpus = registry.create("corpora", reading.reader, **reading.options)
    return corpus


def test_every_corpus_has_a_fake() -> None:
    assert set(FAKES) == set(CORPORA)
    for name, fake in FAKES.items():
        assert fake.readings or fake.noise, name


@pytest.mark.parametrize(("name", "reading"), READINGS, ids=IDS)
def test_a_reader_returns_the_expected_clips(name: str, reading: Reading, data: Path, tmp_path: Path) -> None:
    placed(name, tmp_path)
    utterances = list(reader(reading).utterances())
    assert [(u.id, u.text, u.speaker, u.uri is not None) for u in utterances] == [
        (clip.id, clip.text, clip.speaker, clip.clean) for clip in reading.clips
    ]
    for utterance, clip in zip(utterances, reading.clips, strict=True):
        recording = resolve_uri(utterance.degraded or utterance.uri or "")
        assert utterance.sha256 == hashlib.sha256(recording.read_bytes()).hexdigest()
        assert soundfile.info(str(recording)).samplerate == clip.rate
        assert utterance.licence
        assert utterance.language == reading.language
    assert utterances == list(reader(reading).utterances())


@pytest.mark.parametrize("name", NOISES)
def test_corruptions_draw_from_the_noise_files_of_a_corpus(name: str, data: Path, tmp_path: Path) -> None:
    placed(name, tmp_path)
    folder = f"data:{CORPORA[name].folder}"
    listed = [f for f in audio_files(folder) if "testset_wav" not in f]
    assert listed == [f"{folder}/{file}" for file in FAKES[name].noise]


@pytest.mark.parametrize(("name", "reading"), READINGS, ids=IDS)
def test_an_absent_corpus_names_the_command_that_fetches_it(name: str, reading: Reading, data: Path) -> None:
    with pytest.raises(RequestError) as caught:
        list(reader(reading).utterances())
    assert str(caught.value).endswith(f"run: restorebench data fetch {name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NOISES)
def test_an_absent_noise_corpus_names_the_command_that_fetches_it(name: str, data: Path) -> None:
    with pytest.raises(RequestError, match=f"run: restorebench data fetch {name}$"):
        audio_files(f"data:{CORPORA[name].folder}")


@pytest.mark.parametrize(("name", "reading"), READINGS, ids=IDS)
def test_a_missing_piece_is_named(name: str, reading: Reading, data: Path, tmp_path: Path) -> None:
    for piece in reading.pieces:
        copy = data / CORPORA[name].folder
        shutil.rmtree(copy, ignore_errors=True)
        FAKES[name].write(copy)
        broken = copy / piece
        shutil.rmtree(broken) if broken.is_dir() else broken.unlink()
        with pytest.raises(RequestError) as caught:
            list(reader(reading).utterances())
        assert broken.name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", list(CORPORA))
def test_an_incomplete_copy_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake copies hold far fewer files than the real corpora."""
    monkeypatch.setenv("RESTOREBENCH_DATA", str(tmp_path / "data"))
    if all(wanted <= 1 for wanted in CORPORA[name].holds.values()):
        pytest.skip("the catalogue gives no file counts for this corpus")
    with pytest.raises(RequestError, match=r"\d+ files .*; wanted \d+ or more"):
        placed(name, tmp_path)
    assert not os.path.lexists(fetch.folder_of(name))


def test_every_suite_of_the_papers_can_be_planned(data: Path, tmp_path: Path) -> None:
    for name in CORPORA:
        placed(name, tmp_path)
    for language, clip in (("en", "common_voice_en_10119832-common_voice_en_10119840"), ("zh", "10002287-00000095")):
        spoken = data / "seedtts_spoken" / language / "unprocessed" / f"{clip}.wav"
        spoken.parent.mkdir(parents=True)
        soundfile.write(spoken, [0.1] * 24_000, 24_000)
    tables = [n for n in suite.known() if "-table" in n]
    assert len(tables) == 12
    for name in tables:
        assert list(trials_of(suite.load_suite(name), None)), name


@pytest.mark.parametrize("language", ["en", "zh"])
def test_sise_table_2_is_prompted_with_the_mixtures_of_table_1(language: str, data: Path, tmp_path: Path) -> None:
    for name in ("seedtts", "dns-noise"):
        placed(name, tmp_path)
    scored, prompts = (
        list(trials_of(suite.load_suite(f"sise-{table}-{language}"), None))
        for table in ("table1-seedtts", "table2-tts")
    )
    assert [trial.key for trial in scored] == [trial.key for trial in prompts]
    assert all(trial.utterance.say and trial.utterance.text for trial in prompts)


def test_tables_i_and_v_have_the_same_trials(data: Path, tmp_path: Path) -> None:
    for name in ("vctk", "voicebank-demand"):
        placed(name, tmp_path)
    first, fifth = (list(trials_of(suite.load_suite(f"masksr2-table{n}"), None)) for n in (1, 5))
    assert [trial.key for trial in first] == [trial.key for trial in fifth]
    assert len({trial.key for trial in first}) == 16


def test_tables_i_and_v_are_at_the_papers_rate(data: Path, tmp_path: Path) -> None:
    """VCTK is sampled at 48 kHz, the paper's set at 44.1 kHz: otherwise, LSD of a 44.1 kHz system is far off."""
    from restorebench.benchmark.registry import create
    from restorebench.benchmark.run.pairs import make_pair

    for name in ("vctk", "voicebank-demand"):
        placed(name, tmp_path)
    for table in (1, 5):
        trial = next(iter(trials_of(suite.load_suite(f"masksr2-table{table}"), 1)))
        assert trial.recipe is not None
        pair = make_pair(trial.utterance, trial.recipe, create("corruptions", trial.recipe.corruption))
        assert pair.reference is not None
        assert (pair.reference.rate, pair.degraded.rate) == (44_100, 44_100)
        [cutoff] = [step["cutoff_hz"] for step in trial.recipe.steps if step["name"] == "lowpass"]
        assert cutoff <= 22_050
