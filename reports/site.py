"""The HTML report: one static folder that opens from disk. The page is complete without its script.

index.html   leaderboard, clips to listen to, breakdowns, agreement of metrics, failures, provenance
sounds/      compressed versions of the chosen clips;   spectrograms/   their pictures;   plots/   breakdowns
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pandas as pd

from restorebench.benchmark.aggregate import Board
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.files import write_whole
from restorebench.benchmark.plan import digest
from restorebench.benchmark.samples import Scores
from restorebench.benchmark.types import Audio, Trial
from restorebench.reports.agreement import agreement
from restorebench.reports.board import DASH, header, marked, notes
from restorebench.reports.breakdown import Breakdown, facts_of, severities
from restorebench.reports.choice import choose, standings
from restorebench.reports.cost import cost, seeds
from restorebench.reports.explain import behind_the_best, breakdown_tables
from restorebench.reports.hallucination import panel
from restorebench.reports.leaderboard import Column, Entry, columns
from restorebench.reports.sounds import matched_gains, mp3, spectrogram

Progress = Callable[[str, int, Iterator[int]], None]
Sounds = Callable[[Trial], Mapping[str, Audio]]
"""The versions of a trial's clip: system -> sound."""

CLIPS = 60
"""Sounds are kept of so many clips: the worst, those that systems and metrics disagree on, and some of every kind."""
OURS = {"index.html", "sounds", "spectrograms", "plots"}
LISTED = 8
"""Clips in a list."""


@dataclass(frozen=True)
class Material:
    """Everything that a report is made of."""

    board: Board
    records: pd.DataFrame
    """The plan's records (`planned_records`)."""
    sounds: Sounds
    facts: Mapping[str, str]
    """Of the run: versions, commit, machine."""


def report(
    board: Board,
    records: pd.DataFrame,
    sounds: Sounds,
    facts: Mapping[str, str],
    out: Path,
    progress: Progress,
    clips: int = CLIPS,
) -> Path:
    """Writes the report; returns its page. Raises RequestError when `out` holds something else."""
    return build(Material(board, records, sounds, facts), out, progress, clips)


def build(material: Material, out: Path, progress: Progress, clips: int) -> Path:
    if out.exists() and not {path.name for path in out.iterdir()} <= OURS:
        raise RequestError(f"{out}: holds other files; name an empty folder or an earlier report")
    board = material.board
    trials = {trial.id: trial for trial in board.plan.trials}
    chosen = choose(board.scores, [*trials], clips)
    exported: dict[str, dict[str, Any]] = {}

    def steps() -> Iterator[int]:
        for name in chosen:
            exported[name] = export(trials[name], material.sounds(trials[name]), out)
            yield 1

    progress("report", len(chosen), steps())
    page = {
        "values": [_value(value) for value in board.values()],
        "clips": [_clip(trial, board.scores, exported.get(trial.id)) for trial in trials.values()],
    }
    write_whole(out / "index.html", _page(material, page, exported, out).encode())
    return out / "index.html"


# Sounds.


def export(trial: Trial, versions: Mapping[str, Audio], out: Path) -> dict[str, Any]:
    """Writes the versions of a clip; says where they are. System -> file, spectrogram, volume, kHz, seconds."""
    gains = matched_gains(versions)
    loudest = max((1 / gain for gain in gains.values()), default=1.0)
    made = {}
    for system, audio in versions.items():
        name = digest(trial.id, system)[:16]
        picture = spectrogram(audio, gains[system])
        write_whole(out / "sounds" / f"{name}.mp3", mp3(audio, gains[system]))
        write_whole(out / "spectrograms" / f"{name}.png", picture.png)
        made[system] = {
            "file": f"sounds/{name}.mp3",
            "spectrogram": f"spectrograms/{name}.png",
            "volume": round(1 / gains[system] / loudest, 4),
            "khz": round(picture.khz, 2),
            "seconds": round(audio.seconds, 3),
        }
    return made


# The page.


def _value(value: Value) -> dict[str, Any]:
    return {"name": value.name, "label": value.label, "direction": value.direction, "decimals": value.decimals}


def _clip(trial: Trial, everything: Sequence[Scores], sounds: Mapping[str, Any] | None) -> dict[str, Any]:
    scores: dict[str, dict[str, float]] = {}
    for found in everything:
        if found.condition == trial.condition and trial.utterance.id in found.clips:
            place = found.clips.index(trial.utterance.id)
            for row, system in enumerate(found.systems):
                number = found.sample.over[row, place] / found.sample.under[row, place] * found.factor
                if math.isfinite(number):
                    scores.setdefault(system, {})[found.value.name] = round(float(number), 6)
    facts = ", ".join(f"{name} {number:.3g}" for name, number in severities(trial).items())
    return {
        "id": trial.id, "condition": trial.condition, "name": trial.utterance.id, "text": trial.utterance.text or "",
        "speaker": trial.utterance.speaker, "facts": facts, "scores": scores, "sounds": sounds or None,
    }  # fmt: skip


def _page(
    material: Material,
    page: dict[str, Any],
    exported: Mapping[str, Any],
    out: Path,
) -> str:
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    board, scores = material.board, material.board.scores
    found = columns(board)
    facts = facts_of(board.plan.trials)
    broken = breakdown_tables(scores, facts)
    environment = Environment(loader=PackageLoader("restorebench.reports", "html"), autoescape=True)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # systems keep their order
    text = {name: environment.loader.get_source(environment, f"report.{name}")[0] for name in ("css", "js")}  # type: ignore[union-attr]
    return environment.get_template("page.html.j2").render(
        suite=board.plan.suite,
        systems=board.plan.systems,
        boards=[_board(board, condition, found) for condition in _conditions(board)],
        lists=_lists(scores, exported),
        gaps=behind_the_best(scores, found, facts),
        breakdowns=[table for _, table in broken],
        plots=[_plot(breakdown, out) for breakdown, _ in broken],
        agreement=agreement(scores),
        hallucinations=panel(material.records),
        costs=[t for t in (cost(board.plan, material.records), seeds(board.plan, material.records)) if t and t.rows],
        failures=[f"{system}: {why}: {where}" for (system, why), where in board.failures.items()],
        provenance=[*notes(board), *(f"{name}: {fact}" for name, fact in material.facts.items())],
        made=date.today().isoformat(),
        version=version("restorebench"),
        page=page,
        css=Markup(text["css"]),
        js=Markup(text["js"]),
        plain=lambda table: Markup(environment.get_template("table.html.j2").render(table=table)),
    )


def _conditions(board: Board) -> list[str]:
    return list(dict.fromkeys(trial.condition for trial in board.plan.trials))


def _board(board: Board, condition: str, found: Sequence[Column]) -> dict[str, Any]:
    mine = [column for column in found if column.condition == condition]
    systems = [s for s in board.plan.systems if any(s in column.entries for column in mine)]
    rows = []
    for system in systems:
        cells = [_cell(column, column.entries.get(system)) for column in mine]
        shown = marked(system, board.plan.system_cards[system].kind)
        rows.append({"system": system, "marked": shown, "cells": cells})
    return {
        "condition": condition,
        "clips": sum(1 for trial in board.plan.trials if trial.condition == condition),
        "columns": [
            {"header": header(column.value), "direction": column.value.direction, "detectable": _detectable(column)}
            for column in mine
        ],
        "rows": rows,
    }  # fmt: skip


def _detectable(column: Column) -> str:
    return DASH if column.detectable is None else f"{column.detectable:.{column.value.decimals}f}"


def _cell(column: Column, entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {"text": "", "sort": ""}
    decimals = column.value.decimals
    small = []
    cell = entry.cell
    if cell.low is not None and cell.high is not None:
        small.append(f"{cell.low:.{decimals}f} to {cell.high:.{decimals}f}")
    if entry.rank:
        best, worst = entry.rank
        small.append(f"rank {best}" if best == worst else f"rank {best}–{worst}")
    if cell.n < cell.planned:
        small.append(f"n={cell.n}/{cell.planned}")
    return {
        "text": DASH if cell.value is None else f"{cell.value:.{decimals}f}",
        "sort": "" if cell.value is None else repr(cell.value),
        "value": column.value.name, "small": ", ".join(small), "letters": entry.ties, "best": entry.winner,
    }  # fmt: skip


def _lists(everything: Sequence[Scores], exported: Mapping[str, Any]) -> list[dict[str, Any]]:
    told = {trial: facts for trial, facts in standings(everything).items() if exported.get(trial)}
    made = []
    for title, key in (
        ("All clips with sounds", None),
        ("Worst clips", "worst"),
        ("Clips on which systems differ most", "systems"),
        ("Clips on which metrics disagree most", "metrics"),
    ):
        if key is None:
            order = list(exported)
        else:
            sign = 1 if key == "worst" else -1
            order = sorted(told, key=lambda trial: sign * told[trial][key])[:LISTED]  # used at once
        entries = [{"link": urlencode({"clip": trial}), "text": trial} for trial in order if exported.get(trial)]
        made.append({"title": title, "entries": entries})
    return [entry for entry in (*made[1:], made[0]) if entry["entries"]]


def _plot(found: Breakdown, out: Path) -> dict[str, str]:
    """A line per system over the factor's bins, as SVG."""
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    for system, means in found.means.items():
        axes.plot(found.bins, [math.nan if mean is None else mean for mean in means], marker="o", label=_plain(system))
    axes.set_xlabel(found.factor)
    axes.set_ylabel(found.label)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    sink = io.BytesIO()
    figure.savefig(sink, format="svg", metadata={"Date": None})
    file = f"plots/{digest(found.condition, found.value, found.factor)[:16]}.svg"
    write_whole(out / file, sink.getvalue())
    return {"file": file, "alt": f"{found.label} by {found.factor} on {found.condition}, a line per system"}


def _plain(text: str) -> str:
    return text.replace("$", r"\$")  # matplotlib would read formulas
