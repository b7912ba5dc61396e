"""`compare` on simulated scores and published outputs: which systems it separates, and what it says otherwise."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.analysis.significance import holm
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.suite import load_suite
from restorebench.reports.tables.compare import Compared, compared, named, report, rounded, verdict
from tests.conftest import Cli

HIGHER = Value(name="ovl", label="OVL", unit="MOS", direction="higher", decimals=2)
GSR = """
name = "gsr"
version = 1
summary = "one task of published-masksr"
metrics = ["dnsmos"]
systems = ["unprocessed", "published:VoiceFixer", "published:MaskSR-M", "target"]
[corpus]
reader = "published"
options = { tasks = ["GSR"] }
"""
WER = Value(name="wer@pocketsphinx", label="WER", unit="%", direction="lower", reduction="rate")


def measured(numerator: np.ndarray, denominator: np.ndarray | None = None, value: Value = HIGHER) -> PairedScores:
    systems, clips = (
        ("one", "published:Two", "three@ckpt")[: len(numerator)],
        tuple(map(str, range(numerator.shape[1]))),
    )
    sample = Sample(
        numerator, np.ones(numerator.shape) if denominator is None else denominator, np.arange(numerator.shape[1])
    )
    return PairedScores("noise", value, systems, clips, sample, "clip")


def verdict_text(row: Compared) -> str:
    assert row.tested is not None
    return verdict(row, row.tested)


def test_a_clear_difference_has_a_winner() -> None:
    clips = np.random.default_rng(0).normal(size=40)
    [row] = compared([measured(np.stack([clips + 0.5, clips]))], "one", "published:Two")
    assert (row.first - row.second) == pytest.approx(0.5)
    assert verdict_text(row) == "A is better"
    [worse] = compared([measured(np.stack([clips + 0.5, clips]), value=WER)], "one", "published:Two")
    assert verdict_text(worse) == "B is better"
    assert worse.tested is not None
    assert worse.tested.difference.value * 100 == pytest.approx(worse.first - worse.second)


def test_systems_that_are_not_separable_get_the_number_of_clips_needed() -> None:
    rng = np.random.default_rng(1)
    clips, noise = rng.normal(size=12), rng.normal(size=12)
    noise = (noise - noise.mean()) / noise.std()
    [row] = compared([measured(np.stack([clips + 0.3 * noise + 0.1, clips]))], "one", "published:Two")
    assert verdict_text(row).startswith("not separable at n = 12; ")
    assert row.tested is not None
    needed = row.tested.difference.clusters_needed()
    assert needed is not None
    assert 60 < needed < 120
    assert f"{rounded(needed)} clips would be needed" in verdict_text(row)
    doubled = measured(np.repeat(np.stack([clips + 0.3 * noise + 0.1, clips]), 2, axis=1))
    clustered = replace(doubled.sample, cluster=np.repeat(np.arange(12), 2))
    [row] = compared([replace(doubled, sample=clustered, grouped="speaker", speakers=12)], "one", "published:Two")
    counts = re.search(r"n = 24; (\d+) speakers \((\d+) clips\) would be needed", verdict_text(row))
    assert counts
    assert int(counts[2]) == pytest.approx(2 * int(counts[1]), rel=0.06), "two clips per speaker, rounded to two digits"
    [few] = compared([measured(np.stack([clips[:4] + 9, clips[:4]]))], "one", "published:Two")
    assert verdict_text(few) == "4 clips are too few to tell"
    [same] = compared([measured(np.stack([clips, clips]))], "one", "published:Two")
    assert verdict_text(same) == "no difference at n = 12"
    assert [rounded(count) for count in (7, 85, 123, 300_493)] == ["7", "85", "130", "310,000"], "rounded up"


def test_a_pair_has_the_same_p_on_the_board_and_in_a_comparison() -> None:
    """Board and comparison correct p over all pairs of systems of one value, and not over values."""
    rng = np.random.default_rng(2)
    scores = measured(np.stack([rng.normal(0.5, 1, 30), rng.normal(0, 1, 30), rng.normal(0.2, 1, 30)]))
    plain = {pair: tested.difference.p for pair, tested in scores.differences.items()}
    assert dict(zip(plain, holm(list(plain.values())), strict=True)) == {
        pair: pytest.approx(tested.p) for pair, tested in scores.differences.items()
    }
    for first, second in plain:
        [row] = compared([scores], first, second)
        [reverse] = compared([scores], second, first)
        assert row.tested is not None
        assert reverse.tested is not None
        assert row.tested.p == reverse.tested.p == scores.differences[first, second].p
        assert row.tested.difference.value == -reverse.tested.difference.value
    assert len(compared([scores, scores], "one", "published:Two")) == 2, "each value has a row"


def test_names_may_be_short_where_they_are_unique() -> None:
    known = ["one", "published:Two", "three@a.ckpt"]
    assert [named(name, known) for name in ("one", "Two", "three")] == known
    with pytest.raises(RequestError, match="no scores of 'four'; it has one, published:Two, three"):
        named("four", known)
    with pytest.raises(RequestError, match=r"'three' could be three@a\.ckpt or three@b\.ckpt"):
        named("three", [*known, "three@b.ckpt"])
    clips = np.random.default_rng(0).normal(size=(2, 5))
    plan = make_plan(load_suite("demo"), ["unprocessed"], ["lsd"])
    [table] = report(Board(plan, (), {}, {}, {}, (measured(clips),)), "Two", "one")
    assert table.title.startswith("published:Two and one: noise (5 clips)")


def test_published_outputs(material: Path, cli: Cli, tmp_path: Path) -> None:
    """On the authors' GSR clips VoiceFixer beats its input, and MaskSR-M is not separable from the target."""
    (tmp_path / "gsr.toml").write_text(GSR)
    done = cli("run", "gsr.toml", "--store", "s")
    assert done.returncode == 0, done.stderr
    far = cli("compare", "s", "VoiceFixer", "unprocessed", "--format", "csv")
    assert far.returncode == 0, far.stderr
    assert says(far.stdout, "OVL ↑") == "A is better"
    close = cli("compare", "s", "MaskSR-M", "target", "--format", "csv")
    assert says(close.stdout, "OVL ↑").startswith("not separable at n = 13; ")
    assert "clips would be needed" in says(close.stdout, "OVL ↑")
    assert "What A - B depends on: GSR" not in far.stdout, "all 13 clips are equally long"
    wrong = cli("compare", "s", "DEMUCS", "unprocessed")
    assert wrong.returncode == 2
    assert "no scores of 'DEMUCS'; it has unprocessed, published:VoiceFixer" in wrong.stderr


def test_a_system_that_failed_everywhere_has_nothing_to_compare(
    cli: Cli, tmp_path: Path, toy_plugin: dict[str, str]
) -> None:
    """The notebook command works on such a store."""
    command = ("run", "demo", "--store", "s", "--systems", "unprocessed,toy-raises", "--metrics", "lsd", "--limit", "2")
    assert cli(*command, env=toy_plugin).returncode == 0
    done = cli("compare", "s", "unprocessed", "toy-raises")
    assert done.returncode == 2
    assert "unprocessed has scores for voicefixer; toy-raises has scores for nothing" in done.stderr
    done = cli("notebook", "s", "--out", "n.ipynb", env=toy_plugin)
    assert done.returncode == 0, done.stderr


def says(text: str, value: str) -> str:
    [row] = [row for row in csv.reader(io.StringIO(text)) if value in row]
    return row[-1]
