"""Recognised words beside the transcript: the error counts are those of the word error rate."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.benchmark.analysis.board import board, board_of
from restorebench.benchmark.contracts import Clip, Subject, Words
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.run.execute import execute
from restorebench.benchmark.run.score import ends, versions_of_clip
from restorebench.benchmark.store.records import planned_records
from restorebench.benchmark.store.store import Store, open_store
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Audio
from restorebench.metrics.wer import aligned_words, count_errors
from restorebench.reports.html.words import TranscriptSource, heard, transcript_source_of, word_errors, word_lists
from tests.conftest import Cli

texts = st.lists(st.sampled_from(["a", "king", "ruled", "the", "state"]), max_size=8).map(" ".join)


@given(transcript=texts.filter(bool), recognised=texts)
def test_aligned_words_hold_every_word_and_every_counted_error(transcript: str, recognised: str) -> None:
    words = aligned_words(transcript, recognised)
    assert [" ".join(filter(None, side)) for side in zip(*words, strict=True)] == [transcript, recognised]
    assert word_errors(words) == count_errors(transcript, recognised).errors


def test_the_report_shows_the_counted_errors(cli: Cli, tmp_path: Path) -> None:
    plan = make_plan(load_suite("demo"), ["unprocessed", "spectral-gate", "target"], ["wer@pocketsphinx"], limit=2)
    store = execute(plan, tmp_path / "store", workers=1)
    demo_board, versions = board(plan, store), versions_of_clip(store, plan)
    source = transcript_source_of(demo_board)
    assert source.name == "wer@pocketsphinx"
    rows = store.table("scores").to_pandas()
    rows = rows[rows["value_name"] == "wer@pocketsphinx"]
    words_by_trial = {trial.id: heard(source, plan, trial, versions(trial)) for trial in plan.trials}
    for trial in plan.trials:
        counted = rows[rows["utterance"] == trial.utterance.id].set_index("system")["components"].map(json.loads)
        assert {version: word_errors(words) for version, words in words_by_trial[trial.id].items()} == {
            system: counts["errors"] for system, counts in counted.items()
        }
    assert cli("report", str(store.root), "--out", "r").returncode == 0
    page = (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    for block in re.findall(r'aria-label="Words of.*?</table>', page, re.DOTALL):
        clip = re.findall(r"voicefixer: (\w+)", block)[0]
        for version, count, cell in re.findall(
            r'data-version="(.*?)".*?<td>(\d+)</td><td class="words">(.*?)</td>', block
        ):
            words = words_by_trial[f"voicefixer/{clip}"][version]
            assert int(count) == word_errors(words)
            assert re.findall("<ins>(.*?)</ins>", html.unescape(cell)) == [
                recognised for spoken, recognised in words if recognised and recognised != spoken
            ]
    assert "<ins>" in page


def test_without_kept_transcripts_nothing_is_recognised_and_the_page_says_so(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(load_suite("demo"), ["unprocessed", "target"], ["wer@pocketsphinx"], limit=1)
    store = execute(plan, tmp_path / "store", workers=1)
    monkeypatch.setattr("restorebench.metrics.recogniser.transcripts_folder", lambda: tmp_path / "empty")
    [plan] = open_store(store.root).plans()
    sounds = versions_of_clip(store, plan)(plan.trials[0])
    assert heard(transcript_source_of(board(plan, store)), plan, plan.trials[0], sounds) == {}
    assert not (tmp_path / "empty").exists()
    assert cli("report", str(store.root), "--out", "r", env={"XDG_CACHE_HOME": str(tmp_path)}).returncode == 0
    assert "are not kept on this machine" in (tmp_path / "r" / "index.html").read_text(encoding="utf-8")


def test_the_worst_clips_come_first_and_the_targets_own_errors_do_not_count() -> None:
    no_error, one_error, two_errors = [("a", "a")], [("a", "b")], [("a b", "c d")]
    words_by_clip: dict[str, dict[str, Words]] = {
        "one": {"unprocessed": two_errors, "s": one_error, "target": no_error},
        "misheard": {"s": two_errors, "target": two_errors},
        "two": {"s": two_errors, "target": no_error},
        "right": {"s": no_error, "target": no_error},
    }
    plan = make_plan(load_suite("demo"), ["unprocessed"], ["lsd"], limit=4)
    trials = dict(zip(words_by_clip, plan.trials, strict=True))
    shown = word_lists(trials, words_by_clip, "target", ["unprocessed", "target"])
    assert [clip["id"] for clip in shown] == ["two", "one"]


def test_a_report_needs_none_of_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store from another machine may name a recogniser that is not installed here."""
    plan = make_plan(load_suite("demo"), ["unprocessed"], ["wer@pocketsphinx"], limit=1)
    planned_board = board_of(plan, planned_records(plan, Store(tmp_path / "s")))

    def missing_package(name: str) -> None:
        raise RequestError(f"metric {name} needs pocketsphinx, not installed")

    monkeypatch.setattr("restorebench.reports.html.words.metric", missing_package)
    source = transcript_source_of(planned_board)
    assert source.metric is None
    assert "not installed" in source.why
    assert heard(source, plan, plan.trials[0], {}) == {}


def test_prompts_are_not_compared_with_the_spoken_text() -> None:
    plan = make_plan(load_suite("demo-tts"), ["unprocessed", "target"], ["wer@pocketsphinx"], limit=1)
    sound = Audio(np.zeros(16_000, np.float32), 16_000)
    versions = dict.fromkeys((*ends(plan), "target"), sound)
    words_by_version = heard(TranscriptSource("w", FakeRecogniser()), plan, plan.trials[0], versions)
    assert list(words_by_version) == ["target"]
    assert words_by_version["target"] == [(plan.trials[0].utterance.say, "nothing")]


class FakeRecogniser:
    def words(self, subject: Subject, estimate: Clip) -> Words:
        return [(str(subject.text), "nothing")]
