"""An executed notebook of a store: the report's tables and plots as code that a researcher can go on editing."""

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
    "# Every cell with its 95 % interval (over clips, or speakers from eight on), the ranks that tests leave open,\n"
    "# and its tie letters.\n"
    "cells = results.cells()\ncells",
    "# How the clips' scores spread.\nimport matplotlib.pyplot as plt\n\n"
    "def plain(text: str) -> str:  # no formulas\n    return text.replace('$', r'\\$')\n\n\n"
    "first_of = {scores.condition: scores.value for scores in reversed(results.paired)}\n"
    "for condition, value in reversed(first_of.items()):\n"
    "    clips = results.clips(condition, value.name).rename(columns=plain)\n"
    "    ax = clips.plot.box(vert=False, figsize=(7, 3))\n"
    "    ax.set_title(plain(condition))\n    ax.set_xlabel(value.label)\n    plt.show()",
    "# Which of two systems is better, and how sure that is.\n"
    "from restorebench.reports.tables.compare import compared, tables\n\n"
    "first, second, *_ = [*results.scored, None, None]\n"
    "if second:\n"
    "    for table in tables(compared(results.paired, first, second), first, second):\n"
    "        print(table.title, *(' | '.join(row) for row in (table.columns, *table.rows)), *table.notes, sep='\\n')",
    "# What failed, and why.\nfailed = results.records[results.records['value'].isna()]\n"
    "failed[['condition', 'utterance', 'system', 'value_name', 'why']]",
)


def notebook(store: Path, suite: str, out: Path) -> None:
    """Writes and executes it. Raises RequestError for another suffix, or with what failed."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    if out.suffix != ".ipynb":
        raise RequestError(f"{out}: wanted a file that ends in .ipynb")
    out.parent.mkdir(parents=True, exist_ok=True)
    there = os.path.relpath(store.resolve(), out.parent.resolve())
    title = "# Results\n\nEverything below is computed from the store; change it and run it again."
    code = [cell.replace("{store!r}", repr(there)).replace("{suite!r}", repr(suite)) for cell in CELLS]
    made = nbformat.from_dict(
        {
            "nbformat": 4,
            "nbformat_minor": 4,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "cells": [{"cell_type": "markdown", "metadata": {}, "source": title}, *map(_code, code)],
        }
    )
    where = {"metadata": {"path": str(out.parent)}}
    quiet = ["--log-level=ERROR"]
    try:
        NotebookClient(made, kernel_name="python3", timeout=600, resources=where, extra_arguments=quiet).execute()
    except CellExecutionError as error:
        raise RequestError(f"{out}: a cell failed: {reason(error)[-300:]}") from error
    write_atomic(out, nbformat.writes(made).encode())


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
