"""Suite + systems + metrics -> the list of what is to be measured. Everything that is missing fails here.

The plan decides the list: cells are counted from it, never from what a system happened to write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from itertools import groupby

from restorebench.benchmark import pairs, registry, weights
from restorebench.benchmark.contracts import (
    Card,
    Corpus,
    Corruption,
    MetricCard,
    Supplied,
    System,
    SystemCard,
    missing_packages,
    versions_of,
)
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.locations import file_sha256, resolve
from restorebench.benchmark.seeds import generator, integer
from restorebench.benchmark.suite import Condition, Suite
from restorebench.benchmark.types import Recipe, Trial, Utterance

FIRST_DRAW = 0
"""A condition degrades each clip once; the number keeps the name of its random stream open for more."""


@dataclass(frozen=True)
class Job:
    """One restoration: a trial, a system, and the seed of its sampling."""

    trial: Trial
    system: str
    draw: int
    seed: int
    key: str


@dataclass(frozen=True)
class Plan:
    """What is to be measured, with the cards and signatures of the day: a board needs this and the store alone."""

    suite: Suite
    trials: tuple[Trial, ...]
    system_cards: dict[str, SystemCard]
    metric_cards: dict[str, MetricCard]
    signatures: dict[str, str]
    """Metric name -> signature."""
    jobs: tuple[Job, ...]
    """Every planned restoration, system by system: one system is in memory at a time."""
    left_out: int = 0
    """Clips of the suite that a limit left out."""

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
        """(metric, condition) pairs where a clip has what the metric needs; another clip without it is a failure."""
        pairs = set()
        for condition in {trial.condition for trial in self.trials}:
            clips = [trial.utterance for trial in self.trials if trial.condition == condition]
            has = {"seconds"}
            has |= {"reference"} if any(clip.uri is not None for clip in clips) else set()
            has |= {"text"} if any(clip.text is not None for clip in clips) else set()
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
        return digest(*(part for trial in self.trials for part in (trial.id, trial.key)))

    def after(self, earlier: Plan) -> Plan:
        """This plan, together with the systems and metrics that an earlier one has on the same trials."""
        other = [job for job in earlier.jobs if job.system not in self.system_cards]
        return replace(
            self,
            system_cards={**earlier.system_cards, **self.system_cards},
            metric_cards={**earlier.metric_cards, **self.metric_cards},
            signatures={**earlier.signatures, **self.signatures},
            jobs=(*other, *self.jobs),
        )

    def to_json(self) -> str:
        place = {trial.id: index for index, trial in enumerate(self.trials)}
        return json.dumps(
            {
                "suite": self.suite.model_dump(mode="json"),
                "trials": [asdict(trial) for trial in self.trials],
                "systems": [card.model_dump(mode="json") | {"as": name} for name, card in self.system_cards.items()],
                "metrics": [card.model_dump(mode="json") for card in self.metric_cards.values()],
                "signatures": self.signatures,
                "left_out": self.left_out,
                "jobs": [[place[job.trial.id], job.system, job.draw, job.seed, job.key] for job in self.jobs],
            },
            indent=1,
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> Plan:
        data = json.loads(text)
        trials = []
        for raw in data["trials"]:
            recipe = Recipe(raw["recipe"]["corruption"], tuple(raw["recipe"]["steps"])) if raw["recipe"] else None
            trials.append(Trial(**{**raw, "recipe": recipe, "utterance": Utterance(**raw["utterance"])}))
        return cls(
            suite=Suite.model_validate(data["suite"]),
            trials=tuple(trials),
            system_cards={raw.pop("as"): SystemCard.model_validate(raw) for raw in data["systems"]},
            metric_cards={raw["name"]: MetricCard.model_validate(raw) for raw in data["metrics"]},
            signatures=data["signatures"],
            jobs=tuple(Job(trials[index], *rest) for index, *rest in data["jobs"]),
            left_out=data.get("left_out", 0),
        )


def digest(*parts: str) -> str:
    """A content key: 32 hex digits."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def make(
    suite: Suite,
    systems: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
) -> Plan:
    """The plan of a run. Raises RequestError for unknown names, absent packages, weights or corpora, duplicate ids."""
    chosen = tuple(dict.fromkeys(systems or suite.systems))
    cards = {name: component_of(name).card for name in chosen}
    judges = {name: metric_card(name) for name in resolve_metrics(metrics or suite.metrics)}
    require_weights([*cards.values(), *judges.values()])
    trials = tuple(trials_of(suite, limit))
    return Plan(
        suite=suite,
        trials=trials,
        system_cards=cards,
        metric_cards=judges,
        signatures={name: card.signature() for name, card in judges.items()},
        jobs=tuple(job for name in chosen for job in _jobs(name, suite, trials)),
        left_out=max(0, len(clips_of(suite)[: suite.limit]) - limit) if limit else 0,
    )


def _jobs(name: str, suite: Suite, trials: Sequence[Trial]) -> list[Job]:
    """Every restoration of one system. Raises RequestError when a supplied one has nothing for any clip."""
    component = component_of(name)
    draws = suite.seeds if component.card.stochastic else suite.seeds[:1]
    jobs = []
    for _, group in groupby(trials, key=lambda trial: trial.condition):
        clips = list(group)
        if isinstance(component, Supplied) and not any(component.offers(t.utterance) for t in clips):
            continue  # nobody published this condition: an absent cell, not a failure
        for trial in clips:
            identity = identity_of(component, trial.utterance)
            for draw in draws:
                seed = integer(trial.suite, trial.id, name, draw)
                sampled = str(seed) if component.card.stochastic else ""
                jobs.append(Job(trial, name, draw, seed, digest(trial.key, name, identity, sampled)))
    if trials and not jobs:
        beside = sorted(set(suite.systems) - {name})
        raise RequestError(f"{name} has no sound for any clip of {suite.name}; the suite names {', '.join(beside)}")
    return jobs


def require_weights(cards: Sequence[Card]) -> None:
    """Raises RequestError, with the command that fetches them, when weights that cards name are not here."""
    missing = {w: None for card in cards for w in card.weights if weights.present(w) is None}
    if missing:
        total = sum(weights.entry_of(w).bytes for w in missing) / 1e6
        raise RequestError(
            f"weights {', '.join(missing)} are not here ({total:.1f} MB); "
            f"run: restorebench data fetch {' '.join(missing)}"
        )


def why_not(kind: registry.Kind, name: str) -> str:
    """Why a component cannot be used here, with what to do about it; "" when it can."""
    card = metric_card(name) if kind == "metrics" else registry.card(kind, name)
    if absent := missing_packages(card):
        return f"{', '.join(absent)} not installed; run: pip install 'restorebench[{card.extra}]'"
    if getattr(card, "checkpoint", False) and "@" not in name:
        return f"no public weights exist; name a checkpoint: {name}@FILE"
    if getattr(card, "imported", False):
        return f"its scores can only be imported: restorebench score --import FILE --metric {name} --store STORE"
    lacking = [w for w in card.weights if weights.present(w) is None]
    return f"its weights are not here; run: restorebench data fetch {' '.join(lacking)}" if lacking else ""


def clips_of(suite: Suite) -> list[Utterance]:
    """Every clip of a suite's corpus, in order. Raises RequestError when the corpus is absent."""
    corpus: Corpus = registry.make("corpora", suite.corpus.reader, **suite.corpus.options)
    return [replace(utterance, rate=suite.corpus.rate) for utterance in corpus.utterances()]


def trials_of(suite: Suite, limit: int | None) -> Iterator[Trial]:
    """The trials of a suite, in order. Raises RequestError when its corpus or noise is absent, or ids repeat."""
    everything = clips_of(suite)
    utterances = everything[: limit or suite.limit]
    seen: set[tuple[str, str]] = set()
    for utterance in utterances:
        if (utterance.group, utterance.id) in seen:
            raise RequestError(f"{suite.name}: two clips share the id {utterance.id!r}; rename one")
        seen.add((utterance.group, utterance.id))
    if not suite.condition:
        for utterance in sorted(utterances, key=lambda u: u.group):
            key = digest("recorded", utterance.sha256, _reference_sha(utterance), *_rate(utterance))
            yield Trial(suite.name, utterance.group or "recorded", utterance, None, key)
    for condition in suite.condition:
        yield from _degraded(suite, condition, utterances, everything)


def _reference_sha(utterance: Utterance) -> str:
    return file_sha256(resolve(utterance.uri)) if utterance.uri else ""


def _rate(utterance: Utterance) -> list[str]:
    return [f"{utterance.rate} Hz"] if utterance.rate else []


def _degraded(
    suite: Suite, condition: Condition, utterances: Sequence[Utterance], corpus: Sequence[Utterance]
) -> Iterator[Trial]:
    corruption: Corruption = registry.make("corruptions", condition.corruption, **condition.options)
    for utterance in utterances:
        if utterance.degraded is not None or utterance.uri is None:
            raise RequestError(
                f"{suite.name}: {utterance.id} arrives degraded, so condition {condition.name} cannot degrade it; "
                "leave [[condition]] out of a suite of recordings"
            )
        scene = pairs.scene(utterance, corpus)
        rng = generator(suite.draws or suite.name, utterance.id, condition.name, FIRST_DRAW)
        # A clip whose header cannot be read keeps its place; the run records why it has no sound.
        recipe = corruption.draw(rng, scene) if scene else None
        drawn = recipe.to_json() if recipe else "unreadable"
        key = digest(str(corruption.card.version), utterance.sha256, drawn, *_rate(utterance))
        yield Trial(suite.name, condition.name, utterance, recipe, key)


@cache
def component_of(name: str) -> System | Supplied:
    """The system or supplier of a name, made once per process. Making it loads no weights."""
    component: System | Supplied = registry.make("systems", name)
    return component


def identity_of(component: System | Supplied, utterance: Utterance) -> str:
    """What decides a sound beside the trial and the seed: versions and weights, or the hash of the finished file."""
    card: SystemCard = component.card
    hashes = [weights.identity(name) for name in card.weights]
    finished = [component.identity(utterance)] if isinstance(component, Supplied) else []
    return "|".join([f"{card.name}@{card.version}", card.identity, *versions_of(card.packages), *hashes, *finished])


def metric_card(name: str) -> MetricCard:
    """The card of a metric; one that takes an argument after a colon has its own card for each."""
    card = registry.make("metrics", name).card if ":" in name else registry.card("metrics", name)
    assert isinstance(card, MetricCard)
    return card


def resolve_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Metric names for metric or value names (`dnsmos.ovl` means `dnsmos`). Raises RequestError for what is unknown."""
    known = registry.table("metrics")
    if any(name.partition(":")[0] not in known for name in names):
        by_value = {v.name: metric for metric in known for v in metric_card(metric).values}
        for name in names:
            if name.partition(":")[0] not in known and name not in by_value:
                raise registry.unknown("metrics", name, sorted({*known, *by_value}))
        names = [name if name.partition(":")[0] in known else by_value[name] for name in names]
    for name in names:
        registry.require("metrics", name)
    return tuple(dict.fromkeys(names))
