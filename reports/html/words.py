"""What a recogniser heard of each version of a clip, beside what was said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.contracts import Subject, Transcribes, Words
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.score import ends
from restorebench.benchmark.run.scoring import metric
from restorebench.benchmark.types import Audio, Trial

LISTED = 8
"""Clips whose words are shown."""


@dataclass(frozen=True)
class Listener:
    """Whose transcripts are shown."""

    name: str
    """The metric; "" where no metric of the run counts words."""
    judge: Transcribes | None
    why: str = ""
    """Why no transcripts can be read here."""


def listener_of(board: Board) -> Listener:
    """The first metric of the run that counts words; one of the papers' recognisers before one that stands in."""
    counted = [
        (value.stand_in, name)
        for name, card in board.plan.metric_cards.items()
        for value in card.values
        if value.role == "intelligibility" and value.headline
    ]
    if not counted:
        return Listener("", None)
    _, name = min(counted, key=lambda found: found[0])
    try:
        judge = metric(name)
    except RequestError as error:  # a report of somebody's store needs none of its metrics
        return Listener(name, None, str(error))
    return Listener(name, judge if isinstance(judge, Transcribes) else None)


def heard(listener: Listener, plan: Plan, trial: Trial, versions: Mapping[str, Audio]) -> dict[str, Words]:
    """Version -> its transcript beside the text, for the versions whose transcript is kept on this machine.

    In a suite with speech the prompts are left out: what is said in them is not what is scored.
    """
    said = trial.utterance.say if plan.suite.speech else trial.utterance.text
    if not said or listener.judge is None:
        return {}
    subject = Subject(text=said, language=trial.utterance.language)
    prompts = ends(plan) if plan.suite.speech else ()
    scored = {version: audio for version, audio in versions.items() if version not in prompts}
    found = {version: listener.judge.words(subject, SharedClip(audio)) for version, audio in scored.items()}
    return {version: words for version, words in found.items() if words is not None}


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
