"""Pictures of sounds, and the blind comparison."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from restorebench.benchmark.types import Audio
from restorebench.reports.html.sounds import BANDS, FRAMES, WAVEFORM_ROWS, difference, levels, waveform
from tests.html.conftest import CHROMIUM

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def tone(hertz: float, amplitude: float = 0.25, seconds: float = 1.0, rate: int = 16_000) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    return Audio((amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32), rate)


def colours(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def test_a_tone_has_its_level_in_its_band() -> None:
    """A sine of amplitude a has the power a²/2, half of it at positive frequencies: a²/4 at the window's peak."""
    column = levels(tone(2000).samples, 16_000, 16_000)[:, 200]
    band = BANDS - 1 - int(np.argmax(column))
    assert abs((band + 0.5) / BANDS * 8000 - 2000) < 8000 / BANDS
    total_level = 10 * np.log10(sum(10 ** (level / 10) for level in column))
    noise_bandwidth = 10 * np.log10(1.5)  # the equivalent noise bandwidth of a Hann window
    assert total_level == pytest.approx(10 * np.log10(0.25**2 / 4) + noise_bandwidth, abs=0.1)


def test_louder_is_red_and_quieter_is_blue() -> None:
    quiet, loud = tone(2000, 0.02), tone(2000, 0.4)
    row = BANDS - 1 - round(2000 / 8000 * BANDS)
    for estimate, reference, redder in ((loud, quiet, True), (quiet, loud, False)):
        red, _, blue = colours(difference(estimate, 1.0, reference, 1.0).content)[row, FRAMES // 2]
        assert (red > blue) == redder
    same = colours(difference(quiet, 20.0, loud, 1.0).content)
    assert np.ptp(same[5:-5], axis=(0, 1)).max() < 40, "equal levels after the gains: only the middle colour"


def test_a_difference_ends_at_half_the_lower_rate() -> None:
    assert difference(tone(2000, rate=48_000), 1.0, tone(2000), 1.0).khz == 8
    assert difference(tone(2000, seconds=0.7), 1.0, tone(2000), 1.0).khz == 8  # shorter than the reference


def test_a_waveform_is_as_high_as_its_samples() -> None:
    picture = np.asarray(Image.open(io.BytesIO(waveform(tone(2000, 0.5), 1.0))))
    assert picture.shape == (WAVEFORM_ROWS, FRAMES)
    assert picture[:, 10:-10].mean() == pytest.approx(0.5, abs=0.04)
    assert not picture[0].any()
    assert picture[WAVEFORM_ROWS // 2 - 1 : WAVEFORM_ROWS // 2 + 1].all()
    assert np.asarray(Image.open(io.BytesIO(waveform(Audio(np.ones(3, np.float32), 16_000), 1.0)))).shape[1] == 3


@needs_browser
def test_a_version_shows_its_pictures(tab: Any) -> None:
    tab.locator("#listen ol a").last.click()
    for key, has_difference in (("2", True), ("4", False)):  # spectral-gate, target
        tab.keyboard.press(key)
        tab.wait_for_function(
            "['waveform', 'spectrogram'].every((id) => document.getElementById(id).naturalWidth > 100)"
        )
        assert tab.locator("#apart").is_visible() == has_difference
    tab.keyboard.press("2")
    tab.wait_for_function("document.getElementById('difference').naturalWidth > 100")
    assert (
        tab.locator("#difference").get_attribute("alt") == "levels of spectral-gate minus those of target, up to 8 kHz"
    )


@needs_browser
def test_a_blind_comparison_by_keyboard(tab: Any, page: Path) -> None:
    tab.locator("#listen ol a").last.click()
    tab.keyboard.press("2")
    assert "system=spectral-gate" in tab.evaluate("location.hash")
    tab.locator("#blind summary").click()
    tab.locator("#blind-first").select_option("spectral-gate")
    tab.locator("#blind-second").select_option("unprocessed")
    tab.locator("#blind-start").press("Enter")
    preferred = []
    for key in ("a", "b", "0"):
        assert tab.locator("#versions button").all_inner_texts() == ["A", "B", "clean"]
        hidden = tab.locator("#player").inner_html()
        assert not any(name in hidden for name in ("spectral-gate", "unprocessed"))
        assert not tab.locator("#sights").is_visible()
        assert not tab.locator("#clip-scores").is_visible()
        assert tab.evaluate("location.hash") == ""
        tab.keyboard.press("2")
        assert tab.locator("#versions button[aria-pressed=true]").inner_text() == "B"
        preferred.append({"a": 0, "b": 1, "0": None}[key])
        pair = tab.evaluate("blind.now.pair")
        preferred[-1] = "" if preferred[-1] is None else pair[preferred[-1]]
        tab.keyboard.press(key)
    tab.locator("#blind-end").click()
    assert not tab.locator("#player").is_visible()
    counts = tab.locator("#blind-result td").all_inner_texts()
    wins = [str(preferred.count(name)) for name in ("spectral-gate", "unprocessed", "")]
    assert counts == ["spectral-gate", "unprocessed", *wins]
    link = tab.locator("#blind-result a").get_attribute("href")
    rows = list(csv.DictReader(io.StringIO(unquote(link.partition(",")[2]))))
    assert [row["better"] for row in rows] == preferred
    assert all({row["a"], row["b"]} == {"spectral-gate", "unprocessed"} for row in rows)


@needs_browser
def test_every_pair_and_clip_comes_once_and_both_orders_occur(tab: Any) -> None:
    tab.locator("#blind summary").click()
    tab.locator("#blind-start").click()
    seen = tab.evaluate(
        """() => { const seen = [];
        while (blind) { seen.push([blind.now.clip.id, ...blind.now.pair]); answer("A"); }
        return seen; }"""
    )
    assert len({(clip, *sorted(pair)) for clip, *pair in seen}) == len(seen) == 12 * 3  # 12 clips, 3 systems
    assert {pair == sorted(pair) for _, *pair in seen} == {True, False}
    assert tab.locator("#blind-result tbody tr").count() == 3


@needs_browser
def test_opening_a_clip_ends_the_comparison(tab: Any) -> None:
    tab.locator("#blind summary").click()
    tab.locator("#blind-start").click()
    tab.locator("#listen ol a").last.click()
    tab.wait_for_function("!blind")
    assert tab.locator("#sights").is_visible()
    assert not tab.locator("#answers").is_visible()
    tab.locator("#blind-first").select_option("unprocessed")
    tab.locator("#blind-second").select_option("unprocessed")
    tab.locator("#blind-start").click()
    assert "two different systems" in tab.locator("#blind-result").inner_text()


@needs_browser
def test_answers_survive_a_restart_and_a_held_key_is_one_answer(tab: Any) -> None:
    tab.locator("#blind summary").click()
    tab.locator("#blind-start").click()
    tab.keyboard.press("a")
    tab.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'a', repeat: true, bubbles: true }))")
    assert tab.locator("#clip-title").inner_text() == "Comparison 2"
    tab.locator("#blind-start").click()
    tab.locator("#play").focus()
    tab.keyboard.press("b")
    tab.locator("#blind-end").click()
    assert tab.evaluate("answers.length") == 2
    counts = [int(text) for text in tab.locator("#blind-result td").all_inner_texts() if text.isdigit()]
    assert sum(counts) == 2
