"""Ten questions of a reader who has only the report's folder; each is answered at one place of the page.

The expected answers are computed from the store; the page must show the same.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import restorebench as rb
from restorebench.benchmark.components import metric_card
from restorebench.reports.papers.verdicts import verdicts
from restorebench.reports.tables.in_words import in_words
from tests.conftest import COMMAND
from tests.html.conftest import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
CONDITION = "voicefixer"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("questions")
    systems, metrics = "unprocessed,spectral-gate,wpe,target", "lsd,stoi,wer@pocketsphinx,rtf"
    for command in (
        ["run", "demo", "--systems", systems, "--metrics", metrics, "--limit", "8", "--store", "s"],
        ["report", "s", "--out", "r"],
    ):
        done = subprocess.run([str(COMMAND), *command], cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def results(folder: Path) -> rb.Results:
    return rb.open_results(folder / "s")


@pytest.fixture
def sheet(browser: Any, folder: Path) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800}, bypass_csp=True)
    opened.goto((folder / "r" / "index.html").as_uri())
    yield opened
    opened.close()


def cell(sheet: Any, system: str, value: str) -> Any:
    """A number of the leaderboard."""
    return sheet.locator(f'#leaderboard button.cell[data-system="{system}"][data-value="{value}"]')


def test_1_which_system_is_best_and_how_certain_is_that(sheet: Any, results: rb.Results) -> None:
    sentences = sheet.locator("#overview .sentences li").all_inner_texts()
    assert sentences == in_words(results.summary)
    assert any("LSD" in sentence for sentence in sentences)
    first = sheet.locator("#overview .sentences").bounding_box()
    assert first["y"] + first["height"] <= 800, "without scrolling"


def test_2_which_systems_are_tied(sheet: Any, results: rb.Results) -> None:
    sheet.locator("#all-values").check()
    cells = results.cells().query("value_name == 'stoi' and best_rank.notna()")
    for row in cells.itertuples():
        shown = cell(sheet, str(row.system), "stoi").locator("xpath=..").locator("sup").all_inner_texts()
        assert shown == ([row.ties] if row.ties else [])


def test_3_which_clip_is_worst(sheet: Any, results: rb.Results) -> None:
    scores = results.scores.query("value_name == 'lsd' and system == 'wpe'")
    cell(sheet, "wpe", "lsd").click()
    worst = sheet.locator("#cell li").first.inner_text()
    assert worst.startswith(scores.loc[scores["value"].idxmax(), "clip"] + ": ")


def test_4_at_what_cost(sheet: Any, results: rb.Results) -> None:
    rtf = results.cells().query("value_name == 'rtf'").set_index("system")["value"]
    picture = sheet.locator("svg[data-picture=cost]").bounding_box()
    assert picture["y"] + picture["height"] <= 800, "without scrolling"
    marks = sheet.locator("svg[data-picture=cost] g[data-system]").all()
    assert {m.get_attribute("data-system"): float(m.get_attribute("data-rtf")) for m in marks} == rtf.to_dict()
    assert set(rtf.index) == {"spectral-gate", "wpe"}, "anchors are supplied, not run, and have no cost"
    for system in rtf.index:
        assert sheet.locator("#costs tr", has_text=system).count() > 0


def test_5_which_verdict_has_a_published_cell(sheet: Any, results: rb.Results) -> None:
    [verdict] = [
        v for v in verdicts(results.summary, "masksr2")
        if v.exact and v.cell.system == "unprocessed" and v.cell.value_name == "lsd" and v.published.value
    ][:1]  # fmt: skip
    mark = sheet.locator('#papers svg[data-paper=masksr2][data-value=lsd] g[data-system="unprocessed"]').first
    assert mark.get_attribute("data-verdict") == verdict.status
    assert verdict.text in mark.locator("title").text_content()


def test_6_why_is_a_cell_not_comparable(sheet: Any, results: rb.Results) -> None:
    shown = sheet.locator("#papers").inner_text()
    reasons = {reason for v in verdicts(results.summary, "masksr2") if v.exact for reason in v.reasons}
    assert reasons
    assert all(reason in shown for reason in reasons)


def test_7_what_failed_and_what_is_missing(sheet: Any, results: rb.Results) -> None:
    assert not results.summary.failures
    assert sheet.locator("#failures").inner_text().endswith("Every planned value was measured.")
    assert "8 clips" in sheet.locator("#leaderboard h3").first.inner_text()


def test_8_what_do_the_scores_depend_on(sheet: Any) -> None:
    pictures = sheet.locator("#breakdowns svg[data-picture=multiple][data-value=lsd]").all()
    factors = {picture.get_attribute("data-factor") for picture in pictures}
    assert {"SNR", "bandwidth"} <= factors
    table = sheet.locator("#breakdowns details details").first
    table.locator("xpath=..").evaluate("node => node.open = true")
    table.locator("summary").click()
    assert re.search(r"LSD by \w+: voicefixer", table.inner_text())


def test_9_which_recognised_words_were_not_spoken(sheet: Any, results: rb.Results) -> None:
    rows = results.records.query("value_name == 'wer@pocketsphinx'")
    clip = sheet.locator("#hallucinations details").first
    name = clip.locator("summary").inner_text().removeprefix(f"{CONDITION}: ")
    errors = rows[rows["utterance"] == name].set_index("system")["components"].map(lambda c: json.loads(c)["errors"])
    for version in ("unprocessed", "wpe", "target"):
        wrong = clip.locator(f"tr[data-version={version}] td").first.inner_text()
        assert int(wrong) == errors[version]
    assert clip.locator("ins").count() > 0
    assert sheet.locator("#hallucinations").inner_text().count("wer@pocketsphinx") >= 1


def test_10_what_exactly_was_measured_and_with_what(sheet: Any) -> None:
    card = sheet.locator("#cards details", has=sheet.locator("summary", has_text=re.compile("^lsd$")))
    card.locator("summary").click()
    assert metric_card("lsd").definition in card.inner_text()
    system = sheet.locator("#cards details", has=sheet.locator("summary", has_text=re.compile("^wpe$")))
    system.locator("summary").click()
    assert "licence of the code" in system.inner_text()
    assert f"version of restorebench: {rb.__version__}" in sheet.locator("#provenance").inner_text()
