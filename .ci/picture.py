"""Writes the README's picture: a screenshot of the top of a store's report, as a PNG with 48 colours.

python .ci/picture.py STORE .github/report.png
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH, HEIGHT, COLOURS = 1280, 860, 48


def main(store: str, out: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        command = [sys.executable, "-m", "restorebench", "report", store, "--out", folder]
        subprocess.run(command, check=True)
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((Path(folder) / "index.html").as_uri())
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.convert("RGB").quantize(COLOURS).save(out, optimize=True)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
