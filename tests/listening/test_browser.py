"""Sessions in a real browser: keyboard only, a phone's width, two listeners at once, a lost server, accessibility."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from restorebench.reports.listening.ratings import Ratings
from tests.conftest import COMMAND
from tests.html.conftest import CHROMIUM
from tests.listening.conftest import Served, serve

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
Serve = Callable[..., Served]


class Tab:
    """A listener's page. Errors in its console and requests to other addresses fail the test."""

    def __init__(self, browser: Any, server: Served, width: int = 1200, height: int = 800) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": height}, bypass_csp=True)
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        self.page.on("request", lambda r: None if r.url.startswith(server.url) else self.faults.append(r.url))
        self.page.goto(server.url + server.link())
        self.page.wait_for_function("document.activeElement.id === 'start'")

    def ready(self, number: int) -> None:
        """Waits for the trial after `number` answers, or for the end."""
        self.page.wait_for_function(
            f"document.getElementById('progress').value === {number} && "
            "(!document.getElementById('next').disabled || !document.getElementById('end').hidden)"
        )

    def end(self) -> None:
        assert self.page.inner_text("#end-title") == "Thank you, that was all."
        self.page.close()
        assert not self.faults


def press(tab: Tab, *keys: str) -> None:
    for key in keys:
        tab.page.keyboard.press(key)


def test_a_session_with_the_keyboard_only(browser: Any, served: Serve) -> None:
    """Three systems, two clips and three checks: nine trials."""
    server = served("mos", "--clips", "2", "--checks", "1")
    tab = Tab(browser, server)
    press(tab, "Enter")
    for number in range(9):
        tab.ready(number)
        press(tab, "Enter")
        assert tab.page.inner_text("#status") == "Choose an answer first."
        press(tab, str(1 + number % 5), "Enter")
        assert tab.page.inner_text("#status") == "Listen first."
        press(tab, " ", "Enter")
    tab.ready(9)
    tab.end()
    ratings = Ratings(server.folder).all()
    assert [rating.answer.ratings[0] for rating in ratings] == [1 + number % 5 for number in range(9)]
    assert all(rating.answer.plays == (1,) for rating in ratings)
    assert all(rating.answer.seconds > 0 for rating in ratings)


@pytest.fixture(scope="module")
def five_systems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of five systems and eight clips."""
    folder = tmp_path_factory.mktemp("five")
    systems = "unprocessed,spectral-gate,wpe,masksr2-nano-5,target"
    run = ["run", "demo", "--limit", "8", "--systems", systems, "--metrics", "lsd", "--store", "s"]
    subprocess.run([str(COMMAND), *run], cwd=folder, check=True, capture_output=True)
    return folder / "s"


@pytest.mark.heavy
@pytest.mark.parametrize("width", [1200, 360])
def test_a_whole_session_of_five_systems_and_eight_clips(
    browser: Any, five_systems: Path, tmp_path: Path, width: int
) -> None:
    """40 ratings and 6 checks: by the keyboard alone, or by taps on a page of 360 pixels."""
    make = ["listen", "make", str(five_systems), "--out", str(tmp_path / "test"), "--kind", "mos"]
    subprocess.run([str(COMMAND), *make], check=True, capture_output=True)
    server = serve(tmp_path / "test")
    try:
        tab = Tab(browser, server, width, 740)
        tab.page.keyboard.press("Enter") if width > 360 else tab.page.click("#start")
        for number in range(46):
            tab.ready(number)
            if width > 360:
                press(tab, " ", str(1 + number % 5), "Enter")
                continue
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
            tab.page.click("#play")
            tab.page.locator("#scale label").nth(number % 5).click()
            tab.page.click("#next")
        tab.ready(46)
        tab.end()
        assert len(Ratings(server.folder).all()) == 46
    finally:
        server.end()


def test_pairs_with_the_keyboard(browser: Any, served: Serve) -> None:
    """An answer requires that both versions were played; all sources start together, for gapless switching."""
    server = served("ab", "--clips", "1", "--checks", "0")
    tab = Tab(browser, server)
    press(tab, "Enter")
    for number in range(3):
        tab.ready(number)
        press(tab, " ", "1", "Enter")
        assert tab.page.inner_text("#status") == "Listen to B too."
        press(tab, "ArrowRight")
        assert tab.page.evaluate("trial.gains.length === 2 && trial.sources.length === 2 && trial.playing")
        press(tab, "Enter")
    tab.ready(3)
    tab.end()
    assert [rating.answer.ratings for rating in Ratings(server.folder).all()] == [(-1,)] * 3


def test_mushra_fits_the_width_of_a_phone(browser: Any, served: Serve) -> None:
    """MUSHRA at a width of 360 pixels: no horizontal scrolling, large buttons, and every version can be rated."""
    server = served("mushra", "--clips", "1")
    tab = Tab(browser, server, 360, 740)
    tab.page.click("#start")
    tab.ready(0)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    boxes = [box.bounding_box() for box in tab.page.locator("button:visible").all()]
    assert all(box["height"] >= 44 for box in boxes if box)
    for version in range(6):
        tab.page.locator("#versions button").nth(version).click()
        if version:
            tab.page.locator("#sliders input").nth(version - 1).fill(str(10 * version))
    tab.page.click("#next")
    tab.ready(1)
    tab.end()
    [saved] = Ratings(server.folder).all()
    assert saved.answer.ratings == (10, 20, 30, 40, 50)
    assert min(saved.answer.plays) >= 1


def test_sliders_with_the_keyboard(browser: Any, served: Serve) -> None:
    server = served("mushra", "--clips", "1")
    tab = Tab(browser, server)
    press(tab, "Enter")
    tab.ready(0)
    press(tab, " ")
    for _ in range(5):
        press(tab, "ArrowRight", "ArrowUp", "ArrowUp")
    press(tab, "Enter")
    tab.ready(1)
    tab.end()
    [saved] = Ratings(server.folder).all()
    assert saved.answer.ratings == (60,) * 5


def test_two_listeners_at_once(browser: Any, served: Serve) -> None:
    server = served("dmos", "--clips", "1", "--checks", "0")
    tabs = [Tab(browser, server), Tab(browser, server)]
    for tab in tabs:
        press(tab, "Enter")
    for number in range(3):
        for choice, tab in enumerate(tabs, start=2):
            tab.ready(number)
            press(tab, " ", "ArrowRight", str(choice), "Enter")
    for tab in tabs:
        tab.ready(3)
        tab.end()
    ratings = Ratings(server.folder).all()
    assert [(rating.listener, rating.answer.ratings) for rating in ratings] == [(0, (2,))] * 3 + [(1, (3,))] * 3


def test_a_lost_server_is_reported_and_the_session_continues(browser: Any, served: Serve) -> None:
    """An answer that the server did not save is not counted; the same key saves it once the server is back."""
    server = served("mos", "--clips", "1", "--checks", "0")
    tab = Tab(browser, server)
    press(tab, "Enter")
    tab.ready(0)
    press(tab, " ", "4")
    server.process.kill()
    server.process.wait(10)
    press(tab, "Enter")
    tab.page.wait_for_function("document.getElementById('status').textContent.startsWith('The answer was not saved')")
    tab.faults.clear()
    restarted = serve(server.folder, server.port)
    press(tab, "Enter")
    tab.ready(1)
    assert len(Ratings(server.folder).all()) == 1
    tab.page.reload()
    tab.page.wait_for_function("document.getElementById('start').textContent === 'Go on'")
    tab.page.close()
    restarted.end()
    assert not tab.faults


@pytest.mark.parametrize("kind", ["mos", "mushra", "ab"])
def test_axe_finds_nothing_serious(browser: Any, served: Serve, kind: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab = Tab(browser, served(kind, "--clips", "1"))
    for section in ("intro", "trial"):
        if section == "trial":
            press(tab, "Enter")
            tab.ready(0)
        for scheme in ("light", "dark"):
            tab.page.emulate_media(color_scheme=scheme)
            violations = Axe().run(tab.page).response["violations"]
            serious = [v for v in violations if v["impact"] in ("serious", "critical")]
            assert not [f"{v['id']}: {v['help']} ({v['nodes'][0]['html'][:90]})" for v in serious]
    tab.page.close()


def test_the_page_works_under_its_content_security_policy(browser: Any, served: Serve) -> None:
    """With the Content-Security-Policy enforced, the page works and the console shows no violation."""
    server = served("mos", "--clips", "1")
    page = browser.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(server.url + server.link())
    page.locator("#start").click()
    page.locator("#question").wait_for()
    page.keyboard.press(" ")
    page.locator("#play[aria-pressed=true]").wait_for()
    page.close()
    assert not faults
