"""Writes notebooks/tour.ipynb and executes it. The tour shows suites, trials, scores, a comparison, a plot and metrics.

python .ci/tour.py notebooks/tour.ipynb
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELLS = (
    (
        "markdown",
        "# A tour of RestoreBench\n\nThis notebook leads from one sound to a board with intervals, in eight code cells. It runs in a minute.",
    ),
    ("code", "import numpy as np\n\nimport restorebench as rb\n\nrb.__version__"),
    (
        "markdown",
        "A **suite** names a corpus, the conditions under which the corpus is degraded, and default metrics and systems.",
    ),
    ("code", "suite = rb.load_suite('demo')\nprint(suite.summary)\nprint(suite.systems)"),
    ("markdown", "A **trial** is a clip under a condition, with the **recipe** that was drawn for it: plain JSON."),
    (
        "code",
        "clean = np.sin(2 * np.pi * 220 * np.arange(32_000) / 16_000) * np.hanning(32_000)\n"
        "degraded = rb.degrade(clean, 16_000, 'noise', seed=1, snr_db=5, noise='pink')\ndegraded.recipe.steps[0]['snr_db']",
    ),
    ("markdown", "One sound is **restored** by a system's name, and **scored** against its reference."),
    (
        "code",
        "restored = rb.restore(degraded.samples, 16_000, system='spectral-gate')\n"
        "{name: rb.score(sound, degraded.reference, rate=16_000, metrics=['lsd', 'si_sdr'])\n"
        " for name, sound in {'degraded': degraded.samples, 'restored': restored}.items()}",
    ),
    ("markdown", "Any function `(samples, rate) -> samples` can be a system. Anchors are scored on the same clips."),
    (
        "code",
        'def gate(samples, rate):\n    """Silences the quiet parts."""\n'
        "    level = np.sqrt(np.convolve(samples**2, np.ones(400) / 400, 'same'))\n"
        "    return samples * (level > 0.1 * level.max())\n\n\n"
        "results = rb.evaluate({'gate': gate}, 'demo', store='tour-store', metrics=['lsd', 'si_sdr', 'stoi'], limit=8)\n"
        "results.board().round(2)",
    ),
    (
        "markdown",
        "Which system is better, by how much, and with which interval and p? The column `better` is empty where the test does not separate the two systems.",
    ),
    ("code", "results.compare('gate', 'unprocessed').round(3)"),
    (
        "markdown",
        "`results.scores` has one row per score of a clip, and `results.breakdown()` has facts from each clip's recipe, such as the SNR. Plots of your own can combine both:",
    ),
    (
        "code",
        "import matplotlib.pyplot as plt\n\nscores = results.scores.query(\"value_name == 'si_sdr'\")\n"
        "wide = scores.pivot(index='clip', columns='system', values='value')\n"
        "snr = results.breakdown().set_index('clip')['SNR'].astype(float)\n"
        "plt.scatter(snr.reindex(wide.index), wide['gate'] - wide['unprocessed'])\n"
        "plt.xlabel('SNR in dB')\nplt.ylabel('gain of the gate: SI-SDR in dB')\nplt.show()",
    ),
    (
        "markdown",
        "A **metric** is a class with a card; `metrics/README.md` shows an example and its registration.",
    ),
    ("code", "rb.list_metrics()"),
)


def notebook() -> nbformat.NotebookNode:
    """Returns the notebook of the tour before its execution."""
    new_cell = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    cells = [new_cell[kind](source) for kind, source in CELLS]
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def main(out: Path) -> None:
    tour = notebook()
    NotebookClient(
        tour, kernel_name="python3", timeout=600, resources={"metadata": {"path": str(out.parent)}}
    ).execute()
    for cell in tour.cells:
        cell.metadata.pop("execution", None)  # the times of the execution differ from run to run
    out.write_text(nbformat.writes(tour) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
