"""Plots of the report, as SVG whose words the reader's fonts draw."""

from __future__ import annotations

import io
import math
import warnings

from restorebench.reports.tables.breakdown import Breakdown


def lines(found: Breakdown) -> bytes:
    """A line per system over a factor's bins."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    places = range(len(found.bins))
    drawn = [
        axes.plot(places, [math.nan if mean is None else mean for mean in means], marker="o")[0]
        for means in found.means.values()
    ]
    axes.set_xticks(places, [plain(text) for text in found.bins], fontsize="small", rotation=20, ha="right")
    axes.set_xlabel(found.factor)
    axes.set_ylabel(plain(found.label))
    # Handed over, since labels that begin with "_" would be left out.
    axes.legend(drawn, [plain(s) for s in found.means], fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    sink = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "restorebench"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(sink, format="svg", metadata={"Date": None})
    return sink.getvalue()


def plain(text: str) -> str:
    """Matplotlib would read formulas between dollars."""
    return text.replace("$", r"\$")
