"""Plots of the report, as SVG whose words the reader's fonts draw."""

from __future__ import annotations

import io
import math
import warnings

from restorebench.reports.tables.breakdown import Breakdown

MARKS = ("o", "s", "^", "D")
"""Another one after ten systems, when the colours begin again."""
JOINED = 10
"""Clips of the smallest bin from which marks are joined."""


def lines(found: Breakdown) -> bytes:
    """Marks for each system over a factor's bins, joined where every bin has clips enough to tell a trend."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    places, joined = range(len(found.bins)), min(found.clips, default=0) >= JOINED
    style = "-" if joined else "none"
    drawn = [
        axes.plot(
            places,
            [math.nan if mean is None else mean for mean in means],
            marker=MARKS[number // 10 % len(MARKS)],
            linestyle=style,
        )[0]
        for number, means in enumerate(found.means.values())
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
