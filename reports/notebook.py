"""An executed notebook of a store: the report's tables and plots as code that a researcher can edit further."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.errors import RequestError, reason

CELLS = (
    "import restorebench as rb\n\nresults = rb.open_results({store!r}, {suite!r})\nresults.plan.suite.summary",
    "# Each condition's leaderboard. Anchors are not ranked; `cells()` has intervals, ranks and tie letters.\n"
    "from html import escape\n\nfrom IPython.display import display\n\n"
    "for condition in results.conditions:\n"
    "    styled = results.board(condition).style.format(precision=3, escape='html').format_index(escape='html')\n"
    "    display(styled.set_caption(escape(condition)))",
    "# Every cell with its 95 % interval (over speakers if there are at least eight, else over clips), the ranks that\n"
    "# the tests do not exclude, and its tie letters.\n"
    "cells = results.cells()\ncells",
    "# As in the report: means with their 95 % intervals, the best on top. Systems that share a letter do not differ\n"
    "# significantly in the paired tests; anchors have no letter.\n"
    "import matplotlib.pyplot as plt\n\n"
    "def plain(text: str) -> str:  # matplotlib would read $ as a formula\n    return text.replace('$', r'\\$')\n\n\n"
    "measured = cells.dropna(subset='value')\n"
    "scored = [value for value in results.summary.values() if value.role != 'speed']\n"
    "for condition in results.conditions:\n"
    "    known = set(measured.query('condition == @condition')['value_name'])\n"
    "    first = [value for value in scored if value.name in known]\n"
    "    shown = [value for value in first if value.headline][:4] or first[:1]\n"
    "    if not shown:\n        continue\n"
    "    size = (3.8 * len(shown), 0.35 * len(results.plan.systems) + 1.2)\n"
    "    figure, axes = plt.subplots(1, len(shown), figsize=size, squeeze=False, layout='constrained')\n"
    "    for value, ax in zip(shown, axes[0]):\n"
    "        rows = measured.query('condition == @condition and value_name == @value.name')\n"
    "        rows = rows.sort_values('value', ascending=value.direction == 'higher', ignore_index=True)\n"
    "        low, high = (rows[end].astype(float).fillna(rows['value']) for end in ('low', 'high'))\n"
    "        ax.hlines(rows.index, low, high)\n"
    "        ax.plot(rows['value'], rows.index, 'o')\n"
    "        ax.set_yticks(rows.index, [plain(f'{row.system} {row.ties}') for row in rows.itertuples()])\n"
    "        ax.set_title(plain(value.label))\n"
    "    figure.suptitle(plain(condition))\n    plt.show()",
    "# Quality against cost, for the systems that ran here.\n"
    "quality = next((value for value in scored if value.role == 'quality' and value.headline), None)\n"
    "speed = next((value for value in results.summary.values() if value.role == 'speed'), None)\n"
    "if quality and speed:\n"
    "    wide = measured.pivot(index=['condition', 'system'], columns='value_name', values='value')\n"
    "    wide = wide.reindex(columns=[speed.name, quality.name]).dropna()\n"
    "    for condition, rows in wide.groupby('condition', sort=False):\n"
    "        ax = rows.plot.scatter(speed.name, quality.name, logx=True, figsize=(6, 4), title=plain(condition))\n"
    "        for (_, system), (x, y) in zip(rows.index, rows.to_numpy()):\n"
    "            ax.annotate(plain(system), (x, y), textcoords='offset points', xytext=(5, 3), fontsize='small')\n"
    "        plt.show()",
    "# The distribution of the clips' scores.\n"
    "first_of = {scores.condition: scores.value for scores in reversed(results.paired)}\n"
    "for condition, value in reversed(first_of.items()):\n"
    "    clips = results.clips(condition, value.name).rename(columns=plain)\n"
    "    ax = clips.plot.box(vert=False, figsize=(7, 3))\n"
    "    ax.set_title(plain(condition))\n    ax.set_xlabel(value.label)\n    plt.show()",
    "# Which of two systems is better, with the test of the difference.\n"
    "from restorebench.reports.tables.compare import compared, tables\n\n"
    "first, second, *_ = [*results.scored, None, None]\n"
    "if second:\n"
    "    for table in tables(compared(results.paired, first, second), first, second):\n"
    "        print(table.title, *(' | '.join(row) for row in (table.columns, *table.rows)), *table.notes, sep='\\n')",
    "# What failed, and why.\nfailed = results.records[results.records['value'].isna()]\n"
    "failed[['condition', 'utterance', 'system', 'value_name', 'why']]",
)


def notebook(store: Path, suite: str, out: Path) -> None:
    """Executes and writes the notebook. Raises RequestError if `out` does not end in .ipynb, or if a cell fails."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    if out.suffix != ".ipynb":
        raise RequestError(f"{out}: wanted a file that ends in .ipynb")
    out.parent.mkdir(parents=True, exist_ok=True)
    relative_store = os.path.relpath(store.resolve(), out.parent.resolve())
    title = "# Results\n\nEverything below is computed from the store; change it and run it again."
    code = [cell.replace("{store!r}", repr(relative_store)).replace("{suite!r}", repr(suite)) for cell in CELLS]
    document = nbformat.from_dict(
        {
            "nbformat": 4,
            "nbformat_minor": 4,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "cells": [{"cell_type": "markdown", "metadata": {}, "source": title}, *map(_code, code)],
        }
    )
    folder = {"metadata": {"path": str(out.parent)}}
    quiet = ["--log-level=ERROR"]
    try:
        NotebookClient(document, kernel_name="python3", timeout=600, resources=folder, extra_arguments=quiet).execute()
    except CellExecutionError as error:
        raise RequestError(f"{out}: a cell failed: {reason(error)[-300:]}") from error
    write_atomic(out, nbformat.writes(document).encode())


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
