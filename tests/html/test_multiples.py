"""Scores by the severity of distortions: the pictures' numbers are those of the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import restorebench as rb
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.components import metric_card
from restorebench.reports.html.multiples import multiples, picture, shade
from restorebench.reports.tables.breakdown import Breakdown, breakdowns, facts_of
from tests.html.conftest import CHROMIUM

pytest.importorskip("torch")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
MARKS = """() => [...document.querySelectorAll('svg[data-picture=multiple] g.bin')].map(g => ({
    ...g.closest('svg').dataset, ...g.parentElement.dataset, ...g.dataset}))"""


@needs_browser
def test_every_mark_is_a_mean_of_the_records(tab: Any, page: Path) -> None:
    results = rb.open_results(page.parents[1] / "s")
    facts = facts_of(results.plan.trials)
    marks = tab.evaluate(MARKS)
    assert {mark["factor"] for mark in marks} >= {"SNR"}
    records = pd.read_csv(page.parents[1] / "s" / "records.csv")
    scores = {(r.condition, r.system, r.value_name, r.utterance): r.value for r in records.itertuples()}
    by_snr = [m for m in marks if m["factor"] == "SNR" and m["system"] == "unprocessed" and m["value"] == "lsd"]
    clips = sorted(
        (float(facts[trial.id]["SNR"]), trial.utterance.id)
        for trial in results.plan.trials
        if trial.condition == "noise" and "SNR" in facts[trial.id]
    )
    values = [scores["noise", "unprocessed", "lsd", clip] for _, clip in clips]
    start = 0
    for mark in by_snr:  # bins come in the order of the factor
        count = int(mark["n"])
        assert float(mark["mean"]) == pytest.approx(np.mean(values[start : start + count]), rel=1e-12)
        start += count
    assert start == np.isfinite(values).sum() == 6
    assert tab.locator("#breakdowns details table").count() > 0, "the same numbers as tables"


def test_a_bins_interval_is_that_of_its_clips_alone(page: Path) -> None:
    results = rb.open_results(page.parents[1] / "s")
    for scores in results.paired:
        every_second = np.arange(len(scores.clips)) % 2 == 0
        part = scores.within(every_second)
        assert part.clips == scores.clips[::2]
        row = part.systems.index("unprocessed")
        assert part.summary("unprocessed")[0] == pytest.approx(np.nanmean(scores.per_clip()[row, every_second]))
        assert part.known("unprocessed") == scores.seeds[row, every_second].sum()
        for breakdown in breakdowns(scores, facts_of(results.plan.trials)):
            for system, intervals in breakdown.intervals.items():
                for mean, interval in zip(breakdown.means[system], intervals, strict=True):
                    assert interval is None or (mean is not None and interval[0] <= mean <= interval[1])


def test_few_speakers_are_no_clusters() -> None:
    """As on a board: with eight speakers or more a cluster is a speaker, with fewer it is a clip."""
    clips = 40
    numbers = np.random.default_rng(0).normal(size=(1, clips))
    sample = Sample(numbers, np.ones((1, clips)), np.repeat(np.arange(10), 4))
    value = metric_card("lsd").values[0]
    whole = PairedScores("c", value, ("a",), tuple(map(str, range(clips))), sample, "speaker", 10)
    many, few = whole.within(sample.cluster < 9), whole.within(sample.cluster < 2)
    assert (many.grouped, many.speakers, len(np.unique(many.sample.cluster))) == ("speaker", 9, 9)
    assert (few.grouped, few.speakers, len(np.unique(few.sample.cluster))) == ("clip", 2, 8)


def test_an_empty_bin_has_no_mark_and_an_empty_breakdown_no_picture() -> None:
    breakdown = Breakdown("c", "v", "V", 2, "SNR", ("low", "high"), (4, 4), {"a": (1.0, None), "b": (None, None)},
                          {"a": ((0.5, 1.5), None), "b": (None, None)}, {"a": (3, 0), "b": (0, 0)}, {})  # fmt: skip
    drawn = picture(breakdown, str)
    assert drawn is not None
    [row] = drawn["rows"]
    [mark] = row["marks"]
    assert (row["system"], mark["mean"], mark["n"]) == ("a", 1.0, 3), "n of the system, not of the bin"
    assert [entry["n"] for entry in drawn["key"]] == [4, 4]
    empty = Breakdown("c", "v", "V", 2, "SNR", ("low",), (4,), {"b": (None,)}, {"b": (None,)}, {"b": (0,)}, {})
    assert picture(empty, str) is None
    assert multiples([], str) == []
    assert [shade(index, 3) for index in range(3)] == [0, 50, 100]
    assert shade(0, 1) == 100
