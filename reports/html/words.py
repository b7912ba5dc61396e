"""What a recogniser heard of each version of a clip, beside what was said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.contracts import Subject, Transcribes, Words
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric
from restorebench.benchmark.types import Audio, Trial

LISTED = 8
"""Clips whose words are shown."""


def heard(board: Board, trial: Trial, versions: Mapping[str, Audio]) -> dict[str, Words]:
    """Version -> its transcript beside the text, for the versions whose transcript is kept on this machine."""
    name = recogniser_metric(board)
    said = trial.utterance.say if board.plan.suite.speech else trial.utterance.text
    judge = metric(name) if name else None
    if not said or not isinstance(judge, Transcribes):
        return {}
    subject = Subject(text=said, language=trial.utterance.language)
    found = {version: judge.words(subject, SharedClip(audio)) for version, audio in versions.items()}
    return {version: words for version, words in found.items() if words is not None}


def recogniser_metric(board: Board) -> str:
    """The metric whose words are shown: one of the papers' recognisers before one that stands in; "" without one."""
    counted = [
        (value.stand_in, name)
        for name, card in board.plan.metric_cards.items()
        for value in card.values
        if value.role == "intelligibility" and value.headline
    ]
    return min(counted, default=(False, ""))[1]


def word_lists(
    trials: Mapping[str, Trial], found: Mapping[str, Mapping[str, Words]], clean: str, anchors: Collection[str]
) -> list[dict[str, Any]]:
    """The clips on which a system changed most words, the worst first: each version with its passages.

    trials: by id; found: trial -> version -> words; clean: the clean version's name; anchors: versions that no system
    made.
    """

    def changed(name: str) -> int:
        mine = found[name]
        known = wrong(mine[clean]) if clean in mine else 0
        return max((wrong(words) - known for version, words in mine.items() if version not in anchors), default=0)

    worst = sorted((name for name in found if changed(name) > 0), key=lambda name: -changed(name))[:LISTED]
    return [
        {
            "id": name,
            "clip": f"{trials[name].condition}: {trials[name].utterance.id}",
            "rows": [
                {"version": version, "words": words, "wrong": wrong(words)} for version, words in found[name].items()
            ],
        }
        for name in worst
    ]


def wrong(words: Words) -> int:
    """Words that were inserted, left out or replaced."""
    return sum(max(len(said.split()), len(got.split())) for said, got in words if said != got)
