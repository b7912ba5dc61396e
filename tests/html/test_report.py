"""The report in a real browser, opened from disk: sorting, filtering, listening, links, a phone, and hostile names."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import COMMAND, Cli
from tests.html.conftest import CHROMIUM, HOSTILE, SYSTEM

pytest.importorskip("torch")
sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def first_column(tab: Any, table: int = 0) -> list[str]:
    return [row.strip() for row in tab.locator("#leaderboard table").nth(table).locator("tbody th").all_inner_texts()]


def test_a_click_on_a_head_sorts_the_table(tab: Any) -> None:
    planned = first_column(tab)
    assert planned == ["unprocessed ⚓", "spectral-gate", SYSTEM, "target ⚓"]
    lsd = tab.locator("#leaderboard table").first.locator("th button", has_text="LSD")
    lsd.click()
    assert first_column(tab)[0] == "target ⚓", "lower is better: the best comes first"
    lsd.click()
    assert first_column(tab)[-1] == "target ⚓"
    assert tab.locator("#leaderboard th[aria-sort=descending]").count() == 1
    tab.locator("#all-values").check()
    tab.locator("#leaderboard table").first.locator("th button", has_text="STOI").press("Enter")
    assert first_column(tab)[0] == "target ⚓"


def test_less_important_columns_are_hidden_at_first_and_grouped_by_role(tab: Any) -> None:
    table = tab.locator("#leaderboard table").first
    heads = table.locator("thead th:visible button")
    assert [text.split()[0] for text in heads.all_inner_texts()] == ["system", "LSD"]
    folded = table.locator("tbody td:visible").count()
    tab.locator("#all-values").check()
    assert [text.split()[0] for text in heads.all_inner_texts()] == ["system", "LSD", "STOI", "SI-SDR"]
    assert table.locator("tbody td:visible").count() == 3 * folded
    assert table.locator(".role").all_inner_texts() == ["fidelity"] * 3


def test_every_column_is_printed(tab: Any) -> None:
    tab.emulate_media(media="print")
    assert tab.locator("#leaderboard table").first.locator("thead th:visible").count() == 4
    tab.emulate_media(media="screen")


def test_the_filters_hide_other_systems_and_conditions(tab: Any) -> None:
    tab.locator("#system-filter").fill("GATE")
    assert tab.locator("tr[data-system]:visible").count() == 2
    tab.locator("#condition-filter").select_option("clip")
    assert tab.locator("[data-condition]:visible").locator("h3").all_inner_texts() == ["clip (8 clips)"]


def test_a_number_leads_to_its_clips_and_a_clip_to_its_sounds(tab: Any) -> None:
    tab.locator("button.cell").first.click()
    assert tab.locator("#cell li").count() == 6
    numbers = [float(text.rpartition(": ")[2]) for text in tab.locator("#cell li").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True), "LSD: the worst first"
    tab.locator("#cell li a").last.click()
    tab.locator("#player").wait_for(state="visible")
    assert tab.locator("#versions button").all_inner_texts() == [
        "unprocessed", "spectral-gate", SYSTEM, "target"
    ]  # fmt: skip


def test_listening_keeps_the_position_over_a_switch(tab: Any) -> None:
    tab.locator("#listen ol a").last.click()
    tab.locator("#play").click()
    tab.wait_for_function("current.audios.get(current.system).currentTime > 0.4")
    before = tab.evaluate("current.audios.get(current.system).currentTime")
    tab.keyboard.press("4")
    assert tab.locator("#versions button[aria-pressed=true]").inner_text() == "target"
    tab.wait_for_function("!current.audios.get('target').paused")
    after = tab.evaluate("current.audios.get('target').currentTime")
    assert before - 0.05 <= after <= before + 0.6
    assert tab.evaluate("[...current.audios.values()].filter((sound) => !sound.paused).length") == 1
    assert "target" in tab.locator("#spectrogram").get_attribute("alt")
    assert tab.evaluate("document.getElementById('spectrogram').naturalWidth") > 100
    tab.keyboard.press("p")
    assert tab.evaluate("current.audios.get('target').paused")
    tab.locator("#matched").uncheck()
    assert tab.evaluate("[...Object.values(current.clip.sounds)].some((sound) => sound.volume < 0.99)")


def playing(tab: Any) -> dict[str, Any]:
    state: dict[str, Any] = tab.evaluate(
        "({ system: current.system, paused: audio().paused, at: audio().currentTime, length: audio().duration })"
    )
    return state


def test_the_keys_work_after_the_slider_and_the_slider_keeps_moving(tab: Any) -> None:
    """A listener seeks first and then compares."""
    tab.locator("#listen ol a").last.click()
    tab.wait_for_function("audio().readyState > 0")
    tab.locator("#position").click()
    tab.keyboard.press("2")
    assert playing(tab)["system"] == "spectral-gate"
    sought = playing(tab)["at"]
    assert sought > 0.5
    tab.locator("#matched").click()
    tab.keyboard.press("p")
    tab.wait_for_function(f"audio().currentTime > {sought + 0.2}")
    tab.wait_for_function(f"Number(document.getElementById('position').value) > {sought + 0.1}")
    tab.keyboard.press("1")
    assert playing(tab)["system"] == "unprocessed"


def test_a_position_is_kept_before_anything_is_loaded(tab: Any) -> None:
    """Seeking and two switches come before any sound has loaded."""
    tab.evaluate(
        "() => { openClip(data.clips.find((clip) => clip.sounds).id); slider.value = 1;"
        " slider.dispatchEvent(new Event('input')); choose('spectral-gate'); choose('target'); }"
    )
    tab.wait_for_function("audio().readyState > 0 && !audio().seeking")
    assert playing(tab)["system"] == "target"
    assert playing(tab)["at"] == pytest.approx(1.0, abs=0.05)


def test_playing_after_the_end_starts_from_the_beginning(tab: Any) -> None:
    tab.locator("#listen ol a").last.click()
    tab.wait_for_function("audio().readyState > 0")
    tab.evaluate("seek(audio().duration - 0.4)")
    tab.locator("#play").click()
    tab.wait_for_function("audio().ended")
    assert tab.locator("#play").inner_text() == "Play"
    tab.keyboard.press("2")
    tab.keyboard.press("p")
    tab.wait_for_function("!audio().paused && audio().currentTime > 0.05 && audio().currentTime < 2")


def test_fast_switching_causes_no_page_error(tab: Any) -> None:
    """The fixture `tab` fails on page errors, such as an interrupted start of playback."""
    tab.locator("#listen ol a").last.click()
    tab.keyboard.press("p")
    for key in "2341234123412341":
        tab.keyboard.press(key)
    tab.wait_for_function("audio().currentTime > 0.1")
    assert tab.evaluate("[...current.audios.values()].filter((sound) => !sound.paused).length") == 1


def test_a_clip_without_sounds_shows_its_scores(browser: Any, page: Path, tmp_path: Path) -> None:
    """Also, a report that replaces another leaves none of its sounds."""
    shutil.copytree(page.parent, tmp_path / "r")
    before = set((tmp_path / "r" / "sounds").iterdir())
    command = [str(COMMAND), "report", str(page.parents[1] / "s"), "--out", str(tmp_path / "r"), "--clips", "2"]
    assert subprocess.run(command, capture_output=True, cwd=page.parents[1], check=False).returncode == 0
    remaining = set((tmp_path / "r" / "sounds").iterdir())
    assert remaining < before
    assert len(remaining) == 2 * 4
    opened = browser.new_page()
    opened.goto((tmp_path / "r" / "index.html").as_uri())
    clip_id = opened.evaluate("data.clips.find((clip) => !clip.sounds && clip.scores.target).id")
    opened.evaluate("(id) => { location.hash = new URLSearchParams({ clip: id }); }", clip_id)
    opened.locator("#player").wait_for(state="visible")
    assert opened.locator("#clip-title").inner_text() == clip_id.replace("/", ": ")
    assert "No sounds of this clip were kept" in opened.locator("#clip-fault").inner_text()
    assert opened.locator("#clip-scores td").count() > 6
    assert not opened.locator("#play").is_visible()
    opened.close()


@pytest.mark.parametrize("width", [1280, 360])
def test_names_stay_while_the_table_is_scrolled(browser: Any, page: Path, width: int) -> None:
    opened = browser.new_page(viewport={"width": width, "height": 800})
    opened.goto(page.as_uri())
    offset, share, page_width = opened.evaluate(
        """() => {
          const region = document.querySelector("#leaderboard .scroll"), name = region.querySelector("tbody th");
          region.scrollLeft = 120;
          const outer = region.getBoundingClientRect(), inner = name.getBoundingClientRect();
          return [inner.left - outer.left, inner.width / outer.width, document.documentElement.scrollWidth];
        }"""
    )
    assert abs(offset) < 2, "the name stays at the left edge"
    assert share < 0.5, "the name leaves room for the numbers"
    assert page_width <= width, "the page itself does not scroll sideways"
    opened.close()


def test_the_report_works_under_its_content_security_policy(browser: Any, page: Path) -> None:
    """The policy forbids all scripts except the page's own; it allows sounds, pictures and the player."""
    opened = browser.new_page()
    faults: list[str] = []
    opened.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    opened.goto(page.as_uri())
    opened.locator("#listen ol a").first.click()
    opened.locator("#play").click()
    for _ in range(100):
        if opened.evaluate("() => (audio()?.currentTime ?? 0) > 0"):
            break
        opened.wait_for_timeout(50)
    assert opened.evaluate("() => audio().currentTime") > 0
    assert opened.evaluate("() => [...document.images].every((image) => !image.complete || image.naturalWidth > 0)")
    assert not faults
    opened.evaluate(
        "() => document.body.append(Object.assign(document.createElement('script'), {text: 'window.x = 1'}))"
    )
    assert opened.evaluate("() => window.x") is None
    opened.close()


def test_missing_sounds_are_reported(browser: Any, page: Path, tmp_path: Path) -> None:
    shutil.copytree(page.parent, tmp_path / "r")
    shutil.rmtree(tmp_path / "r" / "sounds")
    opened = browser.new_page(bypass_csp=True)
    faults: list[str] = []
    opened.on("pageerror", lambda e: faults.append(str(e)))
    opened.goto((tmp_path / "r" / "index.html").as_uri())
    opened.locator("#listen ol a").last.click()
    opened.wait_for_function("document.getElementById('clip-fault').textContent.includes('cannot be played')")
    opened.keyboard.press("p")
    opened.wait_for_timeout(300)
    opened.close()
    assert not faults


def test_an_unfinished_run_says_so(browser: Any, page: Path, tmp_path: Path) -> None:
    shutil.copytree(page.parents[1], tmp_path / "all")
    for path in (tmp_path / "all" / "s" / "scores").iterdir():
        path.unlink()
    for command in (["report", "s", "--out", "new"], ["notebook", "s", "--out", "n.ipynb"]):
        done = subprocess.run(
            [str(COMMAND), *command], cwd=tmp_path / "all", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    opened = browser.new_page()
    opened.goto((tmp_path / "all" / "new" / "index.html").as_uri())
    assert "Unfinished: 192 planned values are not measured yet" in opened.locator("main > p").first.inner_text()
    assert "Every planned value was measured" not in opened.content()
    assert opened.locator("#leaderboard th button", has_text="LSD").count() == 2
    opened.close()


def test_versions_are_equally_loud(page: Path) -> None:
    from restorebench.benchmark.audio import read
    from restorebench.reports.html.sounds import loudness

    data = json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.S).group(1))  # type: ignore[union-attr]
    for clip in [clip for clip in data["clips"] if clip["sounds"]][:3]:
        levels = [loudness(read(page.parent / sound["file"])) for sound in clip["sounds"].values()]
        assert max(levels) - min(levels) < 1.0


def test_a_link_opens_its_clip(browser: Any, page: Path) -> None:
    opened = browser.new_page()
    opened.goto(f"{page.as_uri()}#clip=noise%2Fawb_06&system=spectral-gate")
    opened.locator("#player").wait_for(state="visible")
    assert opened.locator("#clip-title").inner_text() == "noise: awb_06"
    assert opened.locator("#versions button[aria-pressed=true]").inner_text() == "spectral-gate"
    opened.close()


def test_a_spectrogram_has_axes_and_each_value_one_fold_of_breakdowns(tab: Any) -> None:
    tab.locator("ol.lists a").first.click()
    assert tab.locator("#khz span").all_inner_texts()[-1] == "0 kHz"
    assert tab.locator("#khz span").count() == tab.locator("#seconds span").count() == 5
    titles = tab.locator("#listen h3").all_inner_texts()
    assert "Clips with the lowest score of a ranked system" in titles
    folds = tab.locator("#breakdowns details > summary").all_inner_texts()
    assert folds
    assert len(folds) == len(set(folds))


def test_the_page_does_not_scroll_sideways_on_a_phone(tab: Any) -> None:
    tab.set_viewport_size({"width": 360, "height": 740})
    tab.locator("#listen ol a").first.click()
    assert tab.locator("#failures li").count() > 0
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_hostile_names_are_shown_as_text(tab: Any) -> None:
    """The fixture `tab` fails on any dialog."""
    tab.evaluate("location.hash = new URLSearchParams({ clip: data.clips[0].id })")
    tab.locator("#player").wait_for(state="visible")
    assert HOSTILE in tab.locator("#clip-title").inner_text()
    assert "alert(2)" in tab.locator("#clip-text").inner_text()
    assert tab.locator("img[src=x]").count() == 0
    assert SYSTEM in tab.locator("#versions").inner_text()
    tab.locator(f"tr[data-system={json.dumps(SYSTEM)}] button.cell").first.click()
    assert SYSTEM in tab.locator("#cell h3").inner_text()
    assert "<b>and more</b>" in tab.locator("header p").first.inner_text()


def test_axe_finds_nothing_serious(tab: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab.locator("#listen ol a").first.click()
    tab.locator("button.cell").first.click()
    violations = Axe().run(tab).response["violations"]
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    assert not [f"{v['id']}: {v['help']} ({v['nodes'][0]['html'][:90]})" for v in serious]


def printed(store: Path, form: str) -> str:
    command = [str(COMMAND), "board", str(store), "--format", form]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_format_shows_the_same_figures(page: Path, tmp_path: Path) -> None:
    """HTML report, HTML board, Markdown, LaTeX, CSV, JSON and notebook, cell by cell."""
    store = page.parents[1] / "s"
    command = [str(COMMAND), "notebook", str(store), "--out", str(tmp_path / "n.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    notebook_json = json.loads((tmp_path / "n.ipynb").read_text())
    outputs = [output for cell in notebook_json["cells"] for output in cell.get("outputs", [])]
    notebook = "".join("".join(output.get("data", {}).get("text/html", "")) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert "<img src=x" not in notebook
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2 + 2, "means and spread of both conditions"

    report, rows = page.read_text(), list(csv.DictReader(io.StringIO(printed(store, "csv"))))
    [table] = json.loads(printed(store, "json"))
    assert table["rows"] == rows
    boards = [printed(store, form) for form in ("md", "latex", "html")]
    decimals = {"lsd": 3, "stoi": 3, "si_sdr": 1}
    assert len(rows) == 2 * 4 * 3
    assert [row["system"] for row in rows].count(SYSTEM) == 6
    assert r"masksr@a\|b\_\$x\$ &amp;50% &lt;img src=x onerror=alert(1)&gt;" in boards[0]
    assert r"masksr@a\textbar{}b\_\$x\$ \&50\% \textless{}img src=x onerror=alert(1)\textgreater{}" in boards[1]
    assert sum(bool(row["low"]) for row in rows) > len(rows) / 2, "most cells have an interval"
    for row in rows:
        value = float(row["value"])
        digits = decimals[row["value_name"]]
        shown = f"{value:.{digits}f}"
        assert f'data-sort="{value!r}"' in report
        assert f">{shown}</button>" in report
        if row["low"]:
            interval = f"{float(row['low']):.{digits}f} to {float(row['high']):.{digits}f}"
            assert interval in report, "the report shows the interval of the board"
        for board in boards:
            assert shown in board
        assert f"{value:.3f}" in notebook


def test_a_report_replaces_only_a_report(cli: Cli, page: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    done = cli("report", page.parents[1] / "s", "--out", "other")
    assert done.returncode == 2
    assert "holds other files" in done.stderr


def test_every_sound_can_seek_to_its_end(tab: Any) -> None:
    """Every version of every clip. The page stops shortly before the end, since Chromium cannot seek nearer to it."""
    ids = tab.evaluate("data.clips.filter((clip) => clip.sounds).map((clip) => clip.id)")
    for clip in ids:
        for system in ("unprocessed", "spectral-gate", SYSTEM, "target"):
            tab.evaluate("([clip, system]) => { openClip(clip, system); seek(1e9); }", [clip, system])
            tab.wait_for_function("audio().error || (audio().readyState > 1 && !audio().seeking)")
            assert tab.evaluate("audio().error === null"), (clip, system)


def test_a_report_removes_only_files_that_a_report_wrote(cli: Cli, tmp_path: Path) -> None:
    run = cli("run", "demo", "--systems", "unprocessed,target", "--metrics", "lsd", "--limit", "1", "--store", "s")
    assert run.returncode == 0, run.stderr
    (tmp_path / "mine" / "plots").mkdir(parents=True)
    (tmp_path / "mine" / "plots" / "thesis.svg").write_text("x")
    (tmp_path / "file").write_text("x")
    for out in ("mine", "file"):
        done = cli("report", "s", "--out", out)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "mine" / "plots" / "thesis.svg").read_text() == "x"
    assert cli("report", "s", "--out", "r").returncode == 0
    assert cli("report", "s", "--out", "r").returncode == 0, "a report replaces an earlier report"
    listed = set((tmp_path / "r" / "files.txt").read_text().splitlines())
    present = {p.relative_to(tmp_path / "r").as_posix() for p in (tmp_path / "r").rglob("*") if p.is_file()}
    assert present == listed | {"files.txt"}
    (tmp_path / "r" / "files.txt").unlink()
    (tmp_path / "r" / ".index.html.123").write_text("a part that a killed report left")
    assert cli("report", "s", "--out", "r").returncode == 0, "a report of a version that wrote no files.txt"
    precious = tmp_path / "precious"
    (tmp_path / "r" / "sounds").rename(precious)
    (tmp_path / "r" / "sounds").symlink_to(precious, target_is_directory=True)
    before = sorted(precious.iterdir())
    done = cli("report", "s", "--out", "r")
    assert (done.returncode, "other files, such as sounds" in done.stderr) == (2, True)
    assert sorted(precious.iterdir()) == before
    (tmp_path / "r" / "sounds").unlink()
    precious.rename(tmp_path / "r" / "sounds")
    (tmp_path / "r" / "sounds" / "song.mp3").write_text("mine")
    with (tmp_path / "r" / "files.txt").open("a") as file:
        file.write("sounds/song.mp3\n../s/records.csv\n")
    assert cli("report", "s", "--out", "r").returncode == 2, "a list that was written by hand removes nothing"
    assert all((tmp_path / path).is_file() for path in ("r/sounds/song.mp3", "s/records.csv"))
