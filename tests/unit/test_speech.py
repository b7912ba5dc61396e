"""Suites with speech: a synthesizer speaks with the restored clips as prompts (SISE Table 2)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from restorebench.benchmark.audio import read, write_float
from restorebench.benchmark.contracts import SpeechRequest
from restorebench.benchmark.data.corpora.seedtts import meta_lines
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.folders.speech import _folders as folders_of
from restorebench.benchmark.folders.speech import _line as line_of
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.store.store import Store, plan_of
from restorebench.benchmark.suite import known, load_suite, spoken_by
from restorebench.benchmark.types import Audio
from restorebench.systems.synthesizers.isolated import hibari
from tests.conftest import COMMAND, Cli

RUN = ("run", "demo-tts", "--systems", "unprocessed,spectral-gate,target", "--metrics", "dnsmos", "--limit", "2")


def spoken(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "spoken").glob("*.json"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, toy_plugin: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    command = [str(COMMAND), *RUN, "--synthesizer", "toy-parrot", "--store", "s"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **toy_plugin}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "the scores are those of speech by toy-parrot" in done.stdout
    return folder / "s"


def test_the_prompts_reach_the_synthesizer_unchanged(store: Path) -> None:
    """`toy-parrot` returns its prompt, which is the degraded, restored or clean clip."""
    opened = Store(store)
    plan = plan_of(opened)
    assert plan.suite.name == "demo-tts@toy-parrot"
    for job in plan.jobs:
        speech = read(store / "spoken" / f"{job.key}.wav")
        prompt_file = {
            "unprocessed": store / "pairs" / f"{job.trial.key}.degraded.flac",
            "target": store / "pairs" / f"{job.trial.key}.reference.flac",
        }.get(job.system, store / "restored" / f"{job.prompt}.wav")
        assert np.array_equal(speech.samples, read(prompt_file).samples)
    assert len(plan.jobs) == 6


def test_the_signature_names_the_synthesizer(store: Path) -> None:
    rows = pd.read_csv(store / "records.csv")
    assert len(rows) == 6 * 4
    assert rows["signature"].str.contains(r"speech=toy-parrot@1", regex=False).all()
    assert rows["value"].notna().all()


def test_only_missing_speech_is_synthesized_again(
    store: Path, cli: Cli, toy_plugin: dict[str, str], tmp_path: Path
) -> None:
    copy = tmp_path / "s"
    shutil.copytree(store, copy)
    before = spoken(copy)
    command = [*RUN, "--synthesizer", "toy-parrot", "--store", "s"]
    again = cli(*command, env=toy_plugin)
    assert "speak:" not in again.stderr
    (copy / "spoken" / before[0]).unlink()
    repaired = cli(*command, env=toy_plugin)
    assert "speak: 1/1" in repaired.stderr
    assert spoken(copy) == before
    assert (copy / "records.csv").read_bytes() == (store / "records.csv").read_bytes()


def test_a_failed_sentence_is_recorded_as_a_failure(cli: Cli, toy_plugin: dict[str, str], tmp_path: Path) -> None:
    done = cli(*RUN, "--synthesizer", "toy-shy", "--store", "s", env=toy_plugin)
    assert "no value of demo-tts@toy-shy could be measured" in done.stderr
    rows = pd.read_csv(tmp_path / "s" / "records.csv")
    assert len(rows) == 6 * 4
    assert set(rows["why"]) <= {"ValueError: cannot say w", "said nothing: its speech is silent"}
    assert rows["value"].isna().all()


def test_results_of_two_synthesizers_stay_separate(
    store: Path, cli: Cli, toy_plugin: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(store, tmp_path / "s")
    assert cli(*RUN, "--synthesizer", "toy-shy", "--store", "s", env=toy_plugin).returncode == 1
    boards = cli("board", "s", "--suite", "demo-tts@toy-parrot", "--format", "csv", env=toy_plugin)
    assert "toy-shy" not in boards.stdout
    assert set(pd.read_csv(tmp_path / "s" / "records.csv")["suite"]) == {"demo-tts@toy-parrot", "demo-tts@toy-shy"}


def test_the_trials_do_not_depend_on_the_synthesizer(toy_plugin: dict[str, str]) -> None:
    """The random draws depend on the suite, not on the synthesizer."""
    pytest.importorskip("torch")
    suite, systems = load_suite("demo-tts"), ["unprocessed", "sise-nano"]
    default_plan = make_plan(suite, systems, ["dnsmos"], 2)
    # `spoken_by` renames the suite, as for another synthesizer; hibari is put back, because hibari:x cannot run.
    renamed_suite = spoken_by(suite, "hibari:x").model_copy(update={"synthesizer": "hibari"})
    renamed_plan = make_plan(renamed_suite, ["unprocessed"], ["dnsmos"], 2)
    assert [t.key for t in default_plan.trials] == [t.key for t in renamed_plan.trials]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["demo", "--synthesizer", "hibari"],
            "demo has no speech, so it takes no synthesizer; suites with speech: demo-tts",
        ),
        (["demo-tts", "--metrics", "lsd"], "lsd cannot score speech: the synthesizer says a different sentence"),
        (["demo-tts", "--metrics", "rtf"], "rtf cannot score speech"),
        (["demo-tts", "--metrics", "per@hama"], "per@hama cannot score speech"),
        (["demo-tts", "--synthesizer", "hibary"], "no synthesizer named 'hibary'; did you mean hibari?"),
        (["sise-table2-tts-en"], "sise-table2-tts-en needs a synthesizer: name one with --synthesizer"),
    ],
)
def test_requests_that_make_no_sense_are_refused(arguments: list[str], message: str, cli: Cli) -> None:
    done = cli("run", *arguments, "--store", "s")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") <= 2


def test_each_clip_says_the_sentence_of_another_clip() -> None:
    clips = [trial.utterance for trial in make_plan(load_suite("demo-tts"), ["target"], ["dnsmos"]).trials]
    assert len(clips) == 12
    assert sorted(clip.say or "" for clip in clips) == sorted(clip.text or "" for clip in clips)
    assert all(clip.say != clip.text for clip in clips)


def test_hibari_ignores_its_prompt() -> None:
    voice = hibari
    rng = np.random.default_rng(0)
    prompts = [Audio(rng.normal(scale=0.1, size=16_000).astype(np.float32), 16_000) for _ in range(2)]
    first, second, other = voice.synthesize(
        [
            SpeechRequest(prompts[0], "Hello.", "The pipe began to rust while new.", "en", 1),
            SpeechRequest(prompts[1], "Good day.", "The pipe began to rust while new.", "en", 1),
            SpeechRequest(prompts[1], "Good day.", "A pot of tea helps to pass the evening.", "en", 2**40 + 1),
        ]
    )
    voice.remote().close()
    assert np.array_equal(first.samples, second.samples)
    assert 1.0 < first.seconds < 4.0
    assert len(other.samples) != len(first.samples)


def test_a_function_is_a_system_like_any_other(toy_plugin: dict[str, str], tmp_path: Path) -> None:
    program = """
import sys, restorebench as rb
def quieter(samples, rate):
    return 0.5 * samples
results = rb.evaluate(quieter, "demo-tts", store=sys.argv[1], synthesizer="toy-parrot", metrics=["dnsmos"], limit=1)
print(list(results.board().index))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "s")]
    done = subprocess.run(command, env={**os.environ, **toy_plugin}, capture_output=True, text=True)
    assert done.stdout.strip() == "['unprocessed', 'target', 'quieter']", done.stderr
    [plan] = Store(tmp_path / "s").plans()
    job = next(job for job in plan.jobs if job.system == "quieter")
    speech, prompt = (
        read(tmp_path / "s" / "spoken" / f"{job.key}.wav"),
        read(tmp_path / "s" / "restored" / f"{job.prompt}.wav"),
    )
    assert np.array_equal(speech.samples, prompt.samples)


def test_speech_is_exported_in_the_layout_of_seedtts(store: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("speech", store, "--out", "spoken")
    assert done.returncode == 0, done.stderr
    lines = [line.split("|") for line in (tmp_path / "spoken" / "meta.lst").read_text().splitlines()]
    assert len(lines) == 2
    for clip, text, prompt, sentence in lines:
        assert text != sentence
        assert (tmp_path / "spoken" / prompt).is_file()
        for system in ("unprocessed", "spectral-gate", "target"):
            assert (tmp_path / "spoken" / system / f"{clip}.wav").is_file()
    speech = read(tmp_path / "spoken" / "target" / f"{lines[0][0]}.wav")
    assert np.array_equal(speech.samples, read(tmp_path / "spoken" / lines[0][2]).samples)


def test_conditions_are_exported_to_separate_folders(cli: Cli, toy_plugin: dict[str, str], tmp_path: Path) -> None:
    noise = '[[condition]]\nname = "{}"\ncorruption = "noise"\noptions = {{ noise = "white", snr_db = [{}, {}] }}\n'
    text = Path(known()["demo-tts"]).read_text(encoding="utf-8").partition("[[condition]]")[0]
    (tmp_path / "two.toml").write_text(text + noise.format("loud", 0, 0) + noise.format("soft", 30, 30))
    run = ("run", "two.toml", "--systems", "unprocessed", "--metrics", "dnsmos", "--limit", "1", "--store", "s")
    assert cli(*run, "--synthesizer", "toy-parrot", env=toy_plugin).returncode == 0
    assert cli("speech", "s", "--out", "o", env=toy_plugin).returncode == 0
    loud, soft = (read(next((tmp_path / "o" / name / "unprocessed").iterdir())) for name in ("loud", "soft"))
    assert not np.array_equal(loud.samples, soft.samples)
    assert len((tmp_path / "o" / "loud" / "meta.lst").read_text().splitlines()) == 1


def test_names_and_texts_that_the_layout_cannot_hold_are_refused() -> None:
    with pytest.raises(RequestError, match=r"m@a_b\.pt and m@a/b\.pt would share the folder"):
        folders_of(["m@a/b.pt", "m@a_b.pt"])
    with pytest.raises(RequestError, match="prompts and the prompts would share"):
        folders_of(["prompts"])
    plan = make_plan(load_suite("demo-tts"), ["target"], ["dnsmos"], 1)
    clip = replace(plan.trials[0].utterance, say="one | two")
    with pytest.raises(RequestError, match=r"contains \|"):
        line_of(replace(plan.trials[0], utterance=clip))


def test_the_export_of_a_store_without_speech_is_refused(cli: Cli) -> None:
    run = ("run", "demo", "--systems", "target", "--metrics", "si_sdr", "--limit", "1", "--store", "s")
    assert cli(*run).returncode == 0
    done = cli("speech", "s", "--out", "spoken")
    assert done.returncode == 2
    assert "demo has no speech" in done.stderr


def test_a_plan_written_before_speech_was_added_can_be_read(store: Path) -> None:
    """The jobs of such a plan have five fields."""
    plan = plan_of(Store(store))
    old = json.loads(plan.to_json())
    old["jobs"] = [job[:5] for job in old["jobs"]]
    for name in ("speech", "synthesizer", "base"):
        old["suite"].pop(name)
    old["suite"]["corpus"].pop("say")
    read_again = type(plan).from_data(old)
    assert all(job.synthesizer == "" and job.restoration is job for job in read_again.jobs)


def test_a_corpus_without_sentences_is_refused() -> None:
    suite = load_suite("demo-tts")
    without_sentences = suite.model_copy(update={"corpus": suite.corpus.model_copy(update={"say": ""})})
    with pytest.raises(RequestError, match="hibari_41 has no sentence to say"):
        make_plan(without_sentences, ["target"], ["dnsmos"], 1)


def test_prompts_are_exported_and_speech_made_elsewhere_is_scored(
    store: Path, cli: Cli, toy_plugin: dict[str, str], tmp_path: Path
) -> None:
    """Prompts are exported with their texts. Speech put beside them is imported, and a missing file is a failure."""
    done = cli("speech", str(store), "--prompts", "--out", "elsewhere")
    assert "wrote 6 sounds to elsewhere, 0 are missing" in done.stderr
    metas = sorted((tmp_path / "elsewhere").rglob("meta.lst"))
    assert [meta.parent.name for meta in metas] == ["spectral-gate", "target", "unprocessed"]
    empty = cli(*RUN, "--synthesizer", "published:elsewhere", "--store", "s", env=toy_plugin)
    assert empty.returncode == 2
    assert "no speech; wanted DIR/SYSTEM/UTT.wav" in empty.stderr
    for number, meta in enumerate(metas):  # stands in for an external TTS; its speech is the reversed prompt
        for line in meta_lines(meta)[: 2 - (number == 0)]:
            prompt = read(meta.parent / line.prompt_wav)
            write_float(meta.parent / f"{line.utt}.wav", Audio(prompt.samples[::-1].copy(), prompt.rate))
    again = cli("speech", str(store), "--prompts", "--out", "elsewhere")
    assert again.returncode == 2
    assert "holds sounds already" in again.stderr, "a second export would leave old speech beside new prompts"
    done = cli(*RUN, "--synthesizer", "published:elsewhere", "--store", "s", env=toy_plugin)
    assert done.returncode in (0, 1), done.stderr
    opened = Store(tmp_path / "s")
    plan = plan_of(opened)
    missing = [job for job in plan.jobs if (opened.note("spoken", job.key) or {})["why"]]
    assert [job.system for job in missing] == ["spectral-gate"]
    assert "was not synthesized" in (opened.note("spoken", missing[0].key) or {})["why"]
    for job in plan.jobs:
        if job.system == "target":
            reference = read(tmp_path / "s" / "pairs" / f"{job.trial.key}.reference.flac")
            speech = read(tmp_path / "s" / "spoken" / f"{job.key}.wav")
            assert np.array_equal(speech.samples, reference.samples[::-1])
