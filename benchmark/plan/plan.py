"""The plan: the trials, systems and metrics of a run (made by `planner.py`).

The planned number of values in a table cell is counted from the plan, never from the files that a system wrote.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from restorebench.benchmark import registry
from restorebench.benchmark.contracts import MetricCard, SystemCard
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.core.seeds import integer
from restorebench.benchmark.suite import Suite
from restorebench.benchmark.types import Recipe, Trial, Utterance


@dataclass(frozen=True)
class Job:
    """One restoration: a trial, a system, and the seed of its sampling."""

    trial: Trial
    system: str
    draw: int
    """The suite's seed (one of `Suite.seeds`), which is the column `seed` of the records."""
    seed: int
    """Seed of the system's random sampling, derived from suite, trial, system and `draw`."""
    key: str
    """Key of the sound that is scored."""
    prompt: str = ""
    """If synthetic speech is scored: key of the restoration that is the synthesizer's prompt; `key` is then the key of
    the synthetic speech."""
    synthesizer: str = ""
    """The synthesizer's name; "" if the restoration itself is scored."""

    @property
    def restoration(self) -> Job:
        """The job that restores the clip: this one or, if synthetic speech is scored, the one that makes the prompt."""
        return replace(self, key=self.prompt, prompt="", synthesizer="") if self.prompt else self

    @property
    def speech_seed(self) -> int:
        """The synthesizer's seed: the same one for the prompts of all systems."""
        return integer(self.trial.suite, self.trial.id, "speech", self.draw)

    @property
    def text(self) -> str | None:
        """What is said in the sound that is scored."""
        return self.trial.utterance.say if self.synthesizer else self.trial.utterance.text


@dataclass(frozen=True)
class Plan:
    """What is to be measured, with cards and signatures at the time of planning; a board needs only plan and store."""

    suite: Suite
    trials: tuple[Trial, ...]
    system_cards: dict[str, SystemCard]
    metric_cards: dict[str, MetricCard]
    signatures: dict[str, str]
    """Metric name -> signature."""
    jobs: tuple[Job, ...]
    """Every planned restoration, grouped by system."""
    left_out: int = 0
    """Number of the suite's clips that are left out because of the run's `limit`."""

    @property
    def systems(self) -> tuple[str, ...]:
        return tuple(self.system_cards)

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self.metric_cards)

    @cached_property
    def by_trial(self) -> dict[str, list[Job]]:
        grouped: dict[str, list[Job]] = {trial.id: [] for trial in self.trials}
        for job in self.jobs:
            grouped[job.trial.id].append(job)
        return grouped

    @cached_property
    def applicable(self) -> frozenset[tuple[str, str]]:
        """(metric, condition) pairs in which at least one clip has the reference or text that the metric needs.

        In such a pair, a clip that lacks the reference or text counts as a failure.
        """
        pairs = set()
        for condition in {trial.condition for trial in self.trials}:
            clips = [trial.utterance for trial in self.trials if trial.condition == condition]
            has = {"seconds"}
            has |= {"reference"} if any(clip.uri is not None for clip in clips) else set()
            texts = [clip.say if self.suite.speech else clip.text for clip in clips]
            has |= {"text"} if any(text is not None for text in texts) else set()
            pairs |= {(name, condition) for name, card in self.metric_cards.items() if card.needs <= has}
        return frozenset(pairs)

    def metrics_for(self, job: Job) -> list[str]:
        supplied = self.system_cards[job.system].kind != "system"
        return [
            name
            for name, card in self.metric_cards.items()
            if (name, job.trial.condition) in self.applicable and not (supplied and "seconds" in card.needs)
        ]

    @cached_property
    def trials_digest(self) -> str:
        parts = [part for trial in self.trials for part in (trial.id, trial.key)]
        if self.suite.speech:  # a trial's key covers only the sounds, not the sentences to say
            parts += [text or "" for trial in self.trials for text in (trial.utterance.text, trial.utterance.say)]
        return digest(*parts)

    def merged_with(self, earlier: Plan) -> Plan:
        """This plan, together with the systems and metrics that only `earlier` has. Both plans have the same trials."""
        earlier_jobs = [job for job in earlier.jobs if job.system not in self.system_cards]
        return replace(
            self,
            system_cards={**earlier.system_cards, **self.system_cards},
            metric_cards={**earlier.metric_cards, **self.metric_cards},
            signatures={**earlier.signatures, **self.signatures},
            jobs=(*earlier_jobs, *self.jobs),
        )

    def to_json(self) -> str:
        index_of = {trial.id: index for index, trial in enumerate(self.trials)}
        return json.dumps(
            {
                "suite": self.suite.model_dump(mode="json"),
                "trials": [asdict(trial) for trial in self.trials],
                "systems": [card.model_dump(mode="json") | {"as": name} for name, card in self.system_cards.items()],
                "metrics": [card.model_dump(mode="json") for card in self.metric_cards.values()],
                "signatures": self.signatures,
                "left_out": self.left_out,
                "jobs": [[index_of[job.trial.id], *_stored(job)] for job in self.jobs],
            },
            indent=1,
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote."""
        return cls.from_data(json.loads(text))

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Plan:
        """The plan of parsed JSON that `to_json` wrote."""
        trials = []
        for raw in data["trials"]:
            recipe = Recipe(raw["recipe"]["corruption"], tuple(raw["recipe"]["steps"])) if raw["recipe"] else None
            trials.append(Trial(**{**raw, "recipe": recipe, "utterance": Utterance(**raw["utterance"])}))
        return cls(
            suite=Suite.model_validate(data["suite"]),
            trials=tuple(trials),
            system_cards={raw.pop("as"): SystemCard.model_validate(raw) for raw in data["systems"]},
            metric_cards={raw["name"]: MetricCard.model_validate(_with_roles(raw)) for raw in data["metrics"]},
            signatures=data["signatures"],
            jobs=tuple(Job(trials[index], *rest) for index, *rest in data["jobs"]),
            left_out=data.get("left_out", 0),
        )


def _stored(job: Job) -> list[Any]:
    speech = [job.prompt, job.synthesizer] if job.synthesizer else []
    return [job.system, job.draw, job.seed, job.key, *speech]


def _with_roles(raw: dict[str, Any]) -> dict[str, Any]:
    """A stored metric card. An old card without roles is completed from the registered metric of the same name."""
    if any("role" in value for value in raw["values"]) or raw["name"] not in registry.targets_by_name("metrics"):
        return raw
    card = registry.card("metrics", raw["name"])
    assert isinstance(card, MetricCard)
    known = {value.name: value.model_dump(mode="json") for value in card.values}
    return {**raw, "values": [{**known.get(value["name"], {}), **value} for value in raw["values"]]}
