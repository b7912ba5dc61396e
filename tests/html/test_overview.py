"""The pictures of the report's first screen: the numbers are those of the store, and a mark opens its clip."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import restorebench as rb
from restorebench.reports.html.overview import Scale
from tests.html.conftest import CHROMIUM, SYSTEM

pytest.importorskip("torch")
sync_api = pytest.importorskip("playwright.sync_api")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
MARKS = """() => [...document.querySelectorAll('svg[data-picture=forest] g[data-system]')].map(g => ({
    ...g.closest('svg').dataset, ...g.dataset}))"""
CLIPS = """() => [...document.querySelectorAll('svg[data-picture=strips] circle')].map(c => ({
    ...c.closest('svg').dataset, ...c.closest('g').dataset, ...c.dataset}))"""


@pytest.fixture(scope="module")
def records(page: Path) -> pd.DataFrame:
    return pd.read_csv(page.parents[1] / "s" / "records.csv")


@needs_browser
def test_every_mean_is_that_of_the_records(tab: Any, records: pd.DataFrame) -> None:
    marks = tab.evaluate(MARKS)
    assert {(m["testSet"], m["value"]) for m in marks} == {("noise", "lsd"), ("clip", "lsd")}
    assert {m["system"] for m in marks} == {"unprocessed", "spectral-gate", SYSTEM, "target"}
    means = records.groupby(["condition", "system", "value_name"])["value"].mean()
    for mark in marks:
        assert float(mark["mean"]) == pytest.approx(means[mark["testSet"], mark["system"], mark["value"]], rel=1e-12)


@needs_browser
def test_every_interval_is_that_of_the_board(tab: Any, page: Path) -> None:
    cells = rb.open_results(page.parents[1] / "s").cells()
    known = {(c.condition, c.system, c.value_name): (c.low, c.high) for c in cells.itertuples()}
    marks = [mark for mark in tab.evaluate(MARKS) if "low" in mark]
    assert marks
    for mark in marks:
        low, high = known[mark["testSet"], mark["system"], mark["value"]]
        assert (float(mark["low"]), float(mark["high"])) == (low, high)


@needs_browser
def test_every_clip_has_the_number_of_the_records(tab: Any, records: pd.DataFrame) -> None:
    clips = tab.evaluate(CLIPS)
    known = records[(records["value_name"] == "lsd") & records["value"].notna()]
    assert len(clips) == len(known)
    numbers = {(f"{r.condition}/{r.utterance}", r.system): r.value for r in known.itertuples()}
    for clip in clips:
        assert float(clip["number"]) == pytest.approx(numbers[clip["clip"], clip["system"]], rel=1e-12)


@needs_browser
def test_a_mark_opens_its_clip(tab: Any) -> None:
    mark = tab.locator("svg[data-picture=strips] circle").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    name = tab.evaluate("([x, y]) => document.elementFromPoint(x, y).dataset.clip", [x, y])  # the topmost mark
    tab.mouse.click(x, y)
    tab.locator("#player").wait_for(state="visible")
    assert tab.locator("#clip-title").inner_text() == name.replace("/", ": ", 1)


@needs_browser
def test_shares_are_relative_to_the_difference_of_the_anchors(tab: Any, records: pd.DataFrame) -> None:
    """A share is (system - unprocessed) / (target - unprocessed), computed from the means."""
    means = records[records["value_name"] == "lsd"].groupby(["condition", "system"])["value"].mean()
    for condition in ("noise", "clip"):
        low, high = means[condition, "unprocessed"], means[condition, "target"]
        row = tab.locator(f'[aria-label="Shares on {condition}"] tr[data-row=spectral-gate]')
        shown = row.locator("td").first.text_content()
        assert shown == f"{100 * (means[condition, 'spectral-gate'] - low) / (high - low):.0f} %"


@needs_browser
def test_every_picture_says_in_words_what_it_shows(tab: Any) -> None:
    for picture in tab.locator("svg[data-picture=forest]").all():
        words = picture.get_attribute("aria-label")
        assert "best first: " in words
        assert all(name in words for name in ("unprocessed", "spectral-gate", "target"))
    assert tab.locator("#overview .sentences li").count() > 0


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_pass_the_accessibility_check(browser: Any, page: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    opened = browser.new_page(color_scheme=scheme, bypass_csp=True)
    opened.goto(page.as_uri())
    opened.locator("details summary").first.click()
    violations = Axe().run(opened).response["violations"]
    opened.close()
    assert not [v["id"] for v in violations if v["impact"] in ("serious", "critical")]


@given(
    low=st.floats(-1e6, 1e6, allow_subnormal=False),
    size=st.floats(1e-3, 1e6),
)
def test_ticks_are_few_round_and_inside(low: float, size: float) -> None:
    scale = Scale(low, low + size, 100, 266)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8
    assert all(low - 1e-9 * abs(low) <= tick <= low + size + 1e-9 * abs(low + size) for tick in ticks)
    step = ticks[1] - ticks[0]
    leading = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(leading - wanted) for wanted in (1, 2, 5, 10)) < 1e-3


def test_a_scale_maps_its_ends() -> None:
    scale = Scale(2.0, 4.0, 100, 300)
    assert [scale(2.0), scale(3.0), scale(4.0)] == [100, 200, 300]
    assert scale.ticks() == [2, 3, 4]
