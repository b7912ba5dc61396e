"""The report that the tests open, made once, and the browser that they open it with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from restorebench.benchmark.data.locations import BUNDLE
from tests.conftest import COMMAND
from tests.tiny import random_checkpoint

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
HOSTILE = "<img src=x onerror=alert(1)>"
SYSTEM = f"masksr@a|b_$x$ &50% {HOSTILE}.safetensors"
"""A system is named after its checkpoint's file, whose name may hold any characters."""
SUITE = """
name = "heard"
version = 1
summary = "Bundled clips in noise <b>and more</b>"
metrics = ["lsd", "stoi", "si_sdr"]
systems = ["unprocessed", "spectral-gate", "target"]
[corpus]
reader = "folder"
options = { path = "clips", texts = "texts.csv" }
[[condition]]
name = "noise"
corruption = "noise"
options = { snr_db = [0, 20], noise = "pink" }
[[condition]]
name = "clip"
corruption = "clipping"
options = { ratio = [0.1, 0.5] }
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of six clips and two broken files under two conditions; names and a transcript are hostile.

    All test processes share the report.
    """
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "report"
    with FileLock(f"{root}.lock"):
        if not (root / "r" / "index.html").is_file():
            make_report(root)
    return root / "r" / "index.html"


def make_report(root: Path) -> None:
    (root / "clips").mkdir(parents=True)
    sources = sorted(BUNDLE.glob("*.flac"))[:6]
    for index, path in enumerate(sources):
        name = f"{HOSTILE}.flac" if index == 0 else path.name
        shutil.copy(path, root / "clips" / name)
    (root / "texts.csv").write_text(f"id,text\n{HOSTILE},</script><script>alert(2)</script>\n")
    (root / "heard.toml").write_text(SUITE)
    random_checkpoint(root / SYSTEM.partition("@")[2])
    (root / "clips" / "cut.flac").write_bytes(sources[0].read_bytes()[:2000])
    (root / "clips" / f"{'a' * 150}.flac").write_bytes(b"no sound")
    systems = f"unprocessed,spectral-gate,{SYSTEM},target"
    for command in (["run", "heard.toml", "--store", "s", "--systems", systems], ["report", "s", "--out", "r"]):
        done = subprocess.run(
            [str(COMMAND), *command], cwd=root, env=os.environ, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        started.close()


def failed(request: Any) -> bool:
    """Whether a picture could not be loaded; a request that another picture replaced is aborted, not failed."""
    return request.url.endswith((".png", ".webp")) and "ERR_ABORTED" not in (request.failure or "")


@pytest.fixture
def tab(browser: Any, page: Path) -> Iterator[Any]:
    """The page, opened from disk; console errors, dialogs, network requests and unloaded pictures fail the test.

    Its content security policy is off: Playwright waits by evaluating strings, which the policy forbids.
    """
    opened = browser.new_page(viewport={"width": 1200, "height": 900}, bypass_csp=True)
    faults: list[str] = []
    opened.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda e: faults.append(str(e)))
    opened.on("dialog", lambda d: (faults.append(f"dialog {d.message}"), d.dismiss()))
    opened.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else faults.append(r.url))
    opened.on("requestfailed", lambda r: faults.append(f"failed: {r.url} {r.failure}") if failed(r) else None)
    opened.goto(page.as_uri())
    yield opened
    opened.close()
    assert not faults
