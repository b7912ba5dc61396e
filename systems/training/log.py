"""Records of a run for inspection: log.csv, curve.png, TensorBoard events, and validation audio."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from restorebench.benchmark.audio import write_float
from restorebench.benchmark.core.atomic import open_atomic
from restorebench.benchmark.types import Audio

COLUMNS = ("step", "seconds", "split", "name", "value")
SMOOTHING = 50
"""Largest number of points in the running mean of a drawn training curve."""
DRAW_INTERVAL_S = 60.0
"""Shortest time between two drawings of the curves: drawing many panels takes seconds."""


class Log:
    """Rows of log.csv. When a run is resumed, rows of steps after the checkpoint are removed."""

    def __init__(self, folder: Path, from_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.path = folder, folder / "log.csv"
        self.drawn = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        earlier = [row for row in rows(self.path) if int(row["step"]) <= from_step] if from_step else []
        self.seconds_before = max((float(row["seconds"]) for row in earlier), default=0.0)
        with open_atomic(self.path) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(earlier)
        self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=from_step + 1 if from_step else None)

    def add(self, step: int, seconds: float, split: str, values: Mapping[str, float]) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                (step, f"{seconds:.1f}", split, name, f"{value:.6g}") for name, value in values.items()
            )
        for name, value in values.items():
            self.events.add_scalar(f"{split}/{name}", value, step)

    def listen(self, step: int, name: str, audio: Audio) -> None:
        write_float(self.folder / "audio" / f"{name}.wav", audio)
        self.events.add_audio(name, audio.samples[None], step, sample_rate=audio.rate)

    def draw(self) -> None:
        """Draws the curves as curve.png, at most once a minute."""
        if time.monotonic() - self.drawn >= DRAW_INTERVAL_S:
            draw(self.path, self.folder / "curve.png")
            self.drawn = time.monotonic()

    def close(self) -> None:
        self.events.close()
        draw(self.path, self.folder / "curve.png")


def rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def draw(table: Path, picture: Path) -> None:
    """One panel per value: training values are smoothed, validation values are points. The values `name/part` share a
    panel, with one line for each part."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in rows(table):
        name, slash, part = row["name"].partition("/")
        title, line = (f"{name}, by part", part) if slash else (name, row["split"])
        panels.setdefault(title, {}).setdefault(line, []).append((int(row["step"]), float(row["value"])))
    if not panels:
        return
    columns = min(3, len(panels))
    height = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * height))
    FigureCanvasAgg(figure)
    # Margins in inches: a layout engine would measure every text of every panel twice.
    figure.subplots_adjust(
        left=0.6 / (4.2 * columns), right=1 - 0.1 / (4.2 * columns), bottom=0.5 / (2.9 * height),
        top=1 - 0.35 / (2.9 * height), wspace=0.25, hspace=0.4,
    )  # fmt: skip
    for number, (title, lines) in enumerate(sorted(panels.items()), start=1):
        axes = figure.add_subplot(height, columns, number)
        for line, points in sorted(lines.items()):
            steps, values = np.array(points).T
            if line == "train":
                axes.plot(steps, smooth(values), color="tab:blue", linewidth=1, label=line)
            elif line == "validation":
                axes.plot(steps, values, color="tab:orange", marker="o", markersize=3, label=line)
            else:
                axes.plot(steps, smooth(values), linewidth=1, label=line)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, ncols=2, loc="upper right")  # loc="best" would measure every line, which is slow
    with open_atomic(picture) as part_file:
        figure.savefig(part_file, format="png", dpi=110)


def smooth(values: np.ndarray) -> np.ndarray:
    """Running mean over a tenth of the number of points, at most SMOOTHING."""
    width = max(1, min(SMOOTHING, len(values) // 10))
    padded = np.concatenate([np.full(width - 1, values[0]), values])
    return np.convolve(padded, np.ones(width) / width, mode="valid")
