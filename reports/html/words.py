"""The transcript that a recogniser made of each version of a clip, aligned with the reference text."""

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
"""Largest number of clips whose transcripts are shown."""


@dataclass(frozen=True)
class TranscriptSource:
    """The metric whose transcripts are shown."""

    name: str
    """Name of the metric; "" where no metric of the run counts word errors."""
    metric: Transcribes | None
    why: str = ""
    """Why no transcripts can be read here; "" if they can."""


def transcript_source_of(board: Board) -> TranscriptSource:
    """The run's first word error metric; one that a paper uses is preferred to a stand-in."""
    counted = [
        (value.stand_in, name)
        for name, card in board.plan.metric_cards.items()
        for value in card.values
        if value.role == "intelligibility" and value.headline
    ]
    if not counted:
        return TranscriptSource("", None)
    _, name = min(counted, key=lambda source: source[0])
    try:
        scorer = metric(name)
    except RequestError as error:  # a report needs no installed metrics: it shows the stored scores
        return TranscriptSource(name, None, str(error))
    return TranscriptSource(name, scorer if isinstance(scorer, Transcribes) else None)


def heard(source: TranscriptSource, plan: Plan, trial: Trial, versions: Mapping[str, Audio]) -> dict[str, Words]:
    """Version -> its transcript aligned with the text, for versions with a transcript on this machine.

    In a suite with speech, the prompts are left out: the scored text is spoken only in the synthesised speech.
    """
    text = trial.utterance.say if plan.suite.speech else trial.utterance.text
    if not text or source.metric is None:
        return {}
    subject = Subject(text=text, language=trial.utterance.language)
    prompts = ends(plan) if plan.suite.speech else ()
    scored = {version: audio for version, audio in versions.items() if version not in prompts}
    words_by_version = {version: source.metric.words(subject, SharedClip(audio)) for version, audio in scored.items()}
    return {version: words for version, words in words_by_version.items() if words is not None}


def word_lists(
    trials: Mapping[str, Trial], words_by_trial: Mapping[str, Mapping[str, Words]], clean: str, anchors: Collection[str]
) -> list[dict[str, Any]]:
    """The clips on which a version has most word errors beyond those of the clean version, the worst first.

    trials: by id; words_by_trial: trial -> version -> words; clean: the clean version's name; anchors: versions that
    are not counted, because no system made them.
    """

    def added_errors(name: str) -> int:
        by_version = words_by_trial[name]
        clean_errors = word_errors(by_version[clean]) if clean in by_version else 0
        return max(
            (word_errors(words) - clean_errors for version, words in by_version.items() if version not in anchors),
            default=0,
        )

    worst = sorted((name for name in words_by_trial if added_errors(name) > 0), key=lambda name: -added_errors(name))[
        :LISTED
    ]
    return [
        {
            "id": name,
            "clip": f"{trials[name].condition}: {trials[name].utterance.id}",
            "rows": [
                {"version": version, "words": words, "wrong": word_errors(words)}
                for version, words in words_by_trial[name].items()
            ],
        }
        for name in worst
    ]


def word_errors(words: Words) -> int:
    """Number of words that were inserted, left out or replaced."""
    return sum(
        max(len(spoken.split()), len(recognised.split())) for spoken, recognised in words if spoken != recognised
    )
