"""The report's page. Its tables and plots need no script; the script adds sorting, filters and the clip player."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

import pandas as pd

from restorebench.benchmark.analysis.board import EVERY, Board
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.contracts import Value, Words
from restorebench.benchmark.run.cost import Cost
from restorebench.benchmark.run.score import ends
from restorebench.reports.html.beside import beside_papers
from restorebench.reports.html.by_condition import by_condition
from restorebench.reports.html.clip_selection import oriented_z_scores
from restorebench.reports.html.multiples import multiples
from restorebench.reports.html.overview import TOP, WIDTH, overviews
from restorebench.reports.html.words import TranscriptSource, word_lists
from restorebench.reports.tables.agreement import agreement
from restorebench.reports.tables.board import DASH, few_clips, few_speakers, header, marked, notes, small_print
from restorebench.reports.tables.breakdown import Facts
from restorebench.reports.tables.cards import metric_card, system_card
from restorebench.reports.tables.cost import cost, seeds
from restorebench.reports.tables.explain import NOMINAL, breakdown_tables, gap_to_best, severity_tables
from restorebench.reports.tables.hallucination import panel
from restorebench.reports.tables.in_words import in_words
from restorebench.reports.tables.leaderboard import Column, Entry, columns
from restorebench.reports.tables.trend import series, trends

ALWAYS = ("quality", "speed")
"""Roles whose values the leaderboard always shows; values of other roles are folded unless they are headlines."""
LISTED = 8
"""Largest number of clips in a list of selected clips."""
Exported = Mapping[str, Mapping[str, Any]]
"""Version of a clip -> files, volume (0 to 1; restores the original level differences in playback), kHz, seconds."""


@dataclass(frozen=True)
class Material:
    """The data from which the page is rendered."""

    board: Board
    records: pd.DataFrame
    """The plan's records (`planned_records`)."""
    run: Mapping[str, str]
    """Facts of the run: versions, commit, machine."""
    costs: Mapping[str, Cost]
    """System -> its memory and time, for the systems that were measured."""
    facts: Mapping[str, Facts]
    """Trial -> the factors of its clip (`facts_of`)."""
    exported: Mapping[str, Exported]
    """Trial -> the versions of its clip that have sound files."""
    source: TranscriptSource
    """The metric that made the transcripts in `words`."""
    words: Mapping[str, Mapping[str, Words]]
    """Trial -> version -> its transcript aligned with the text, for versions with a cached transcript."""


def scores_of_sounds(board: Board) -> list[PairedScores]:
    """The board's scores without those of processing time, which do not describe a clip's sound."""
    timed = {v.name for card in board.cards.values() if "seconds" in card.needs for v in card.values}
    return [scores for scores in board.scores if scores.value.name not in timed]


def page(material: Material) -> str:
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    board, records = material.board, material.records
    shown = columns(board)
    anchors = [name for name, card in board.plan.system_cards.items() if card.kind == "anchor"]
    conditions = list(dict.fromkeys(trial.condition for trial in board.plan.trials))
    _, clean = ends(board.plan)
    environment = Environment(loader=PackageLoader("restorebench.reports.html", "templates"), autoescape=True)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # systems keep their order
    text = {name: environment.loader.get_source(environment, f"report.{name}")[0] for name in ("css", "js")}  # type: ignore[union-attr]
    return environment.get_template("page.html.j2").render(
        suite=board.plan.suite,
        systems=board.plan.systems,
        waiting=int((~records["done"]).sum()),
        sentences=in_words(board),
        overviews=overviews(board, shown),
        width=WIDTH,
        top=TOP,
        boards=[_board(board, condition, shown) for condition in conditions],
        beside=beside_papers(board),
        conditions=by_condition(board, shown),
        trends=trends(board) if series(board.plan.system_cards) else [],
        lists=_lists(scores_of_sounds(board), material.exported, anchors),
        gaps=gap_to_best(board.scores, shown, material.facts),
        multiples=multiples(
            [*severity_tables(board), *breakdown_tables(board.scores, material.facts)],
            lambda system: marked(system, board.plan),
        ),
        agreement=agreement(board.scores, board.plan.system_cards),
        hallucinations=panel(records, board.values(), lambda system: marked(system, board.plan)),
        source=material.source,
        words=word_lists({t.id: t for t in board.plan.trials}, material.words, clean, [*anchors, *ends(board.plan)]),
        costs=[t for t in (cost(board, material.costs), seeds(board.plan, records)) if t and t.rows],
        failures=[f"{system}: {why}: {where}" for (system, why), where in board.failures.items()],
        cards=[system_card(card, _failed(board, name)) for name, card in board.plan.system_cards.items()],
        metric_cards=[metric_card(card) for card in board.plan.metric_cards.values()],
        provenance=[*notes(board), *small_print(board), *(f"{name}: {fact}" for name, fact in material.run.items())],
        made=date.today().isoformat(),
        version=version("restorebench"),
        clean=clean,
        playable=list(dict.fromkeys(n for versions in material.exported.values() for n in versions if n != clean)),
        page={
            "values": [_value(value) for value in board.values()],
            "clips": _clips(material),
            "clean": clean,
        },
        css=Markup(text["css"]),
        script="sha256-" + b64encode(sha256(text["js"].encode()).digest()).decode(),
        js=Markup(text["js"]),
        plain=lambda table, untitled=False: Markup(
            environment.get_template("table.html.j2").render(table=table, untitled=untitled)
        ),
    )


def _failed(board: Board, system: str) -> list[str]:
    """A system's failures in this run, then its median delay."""
    failures = [f"{why}: {where}" for (name, why), where in board.failures.items() if name in (system, EVERY)]
    delay = board.delays.get(system)
    return failures if delay is None else [*failures, f"{abs(delay):.0f} ms {'late' if delay > 0 else 'early'}"]


def _value(value: Value) -> dict[str, Any]:
    return {"name": value.name, "label": value.label, "direction": value.direction, "decimals": value.decimals}


def _clips(material: Material) -> list[dict[str, Any]]:
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for paired in (scores for scores in material.board.scores if scores.value.role != "speed"):  # timed per batch
        for system, row in zip(paired.systems, paired.per_clip(), strict=True):
            for clip, number in zip(paired.clips, row, strict=True):
                if math.isfinite(number):
                    mine = scores.setdefault(f"{paired.condition}/{clip}", {}).setdefault(system, {})
                    mine[paired.value.name] = round(float(number), 6)
    return [
        {
            "id": trial.id, "condition": trial.condition, "name": trial.utterance.id,
            "text": trial.utterance.text or "",
            "facts": ", ".join(_facts(material.facts[trial.id])),
            "scores": scores.get(trial.id, {}), "sounds": material.exported.get(trial.id) or None,
        }
        for trial in material.board.plan.trials
    ]  # fmt: skip


def _facts(facts: Facts) -> list[str]:
    """A clip's factors in words; a drawn value that may differ from the measured one is marked as nominal."""
    return [f"{'nominal ' if name in NOMINAL else ''}{name} {fact}" for name, fact in facts.items()]


def _board(board: Board, condition: str, shown: Sequence[Column]) -> dict[str, Any]:
    mine = by_role([column for column in shown if column.condition == condition])
    main = [column for column in mine if column.value.headline or column.value.role in ALWAYS] or mine
    tested = [scores for scores in board.scores if scores.condition == condition and scores.tested]
    rows = [
        {
            "system": system,
            "marked": marked(system, board.plan),
            "cells": [_cell(column, column.entries.get(system)) | {"minor": column not in main} for column in mine],
        }
        for system in board.plan.systems
        if any(system in column.entries for column in mine)
    ]
    return {
        "condition": condition,
        "clips": sum(1 for trial in board.plan.trials if trial.condition == condition),
        "columns": [
            {
                "header": header(column.value), "role": column.value.role, "direction": column.value.direction,
                "detectable": _detectable(column), "minor": column not in main,
            }
            for column in mine
        ],
        "rows": rows,
        "notes": [*few_speakers(tested), *few_clips(tested)],
    }  # fmt: skip


def by_role(columns: Sequence[Column]) -> list[Column]:
    """The columns with those of one role side by side, roles in the order in which they first occur."""
    roles = list(dict.fromkeys(column.value.role for column in columns))
    return sorted(columns, key=lambda column: roles.index(column.value.role))


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
        small.append(f"rank {best}" if best == worst else f"rank {best} to {worst}")
    if cell.n < cell.planned:
        small.append(f"n={cell.n}/{cell.planned}")
    return {
        "text": DASH if cell.value is None else f"{cell.value:.{decimals}f}",
        "sort": "" if cell.value is None else repr(cell.value),
        "value": column.value.name, "small": small, "letters": entry.ties, "best": entry.winner,
    }  # fmt: skip


def _lists(
    everything: Sequence[PairedScores], exported: Mapping[str, Exported], anchors: Collection[str]
) -> list[dict[str, Any]]:
    """Lists of clips with sounds: the extreme clips by each of three measures, without anchors, and all clips."""
    facts_by_trial = {t: facts for t, facts in oriented_z_scores(everything, anchors).items() if exported.get(t)}
    orders = {
        "Clips with the lowest score of a ranked system": sorted(
            facts_by_trial, key=lambda trial: facts_by_trial[trial]["worst"]
        )[:LISTED],
        "Clips on which systems differ most": sorted(
            facts_by_trial, key=lambda trial: -facts_by_trial[trial]["systems"]
        )[:LISTED],
        "Clips on which metrics disagree most": sorted(
            facts_by_trial, key=lambda trial: -facts_by_trial[trial]["metrics"]
        )[:LISTED],
        "All clips with sounds": [trial for trial, sounds in exported.items() if sounds],
    }
    return [
        {"title": title, "entries": [{"link": urlencode({"clip": trial}), "text": trial} for trial in order]}
        for title, order in orders.items()
        if order
    ]
