"""Suite + systems + metrics -> the plan. Absent components, weights and corpora raise RequestError here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from restorebench.benchmark import registry
from restorebench.benchmark.audio import header
from restorebench.benchmark.components import component_of, metric_card, require_weights, resolve_metrics
from restorebench.benchmark.contracts import Corpus, Corruption, Scene, Supplied
from restorebench.benchmark.core.seeds import generator, integer
from restorebench.benchmark.core.text import require_id
from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.plan.keys import (
    recorded_trial_key,
    rendered_trial_key,
    restoration_key,
    signature,
    system_identity,
)
from restorebench.benchmark.plan.plan import Job, Plan
from restorebench.benchmark.suite import Condition, Suite
from restorebench.benchmark.types import Trial, Utterance

FIRST_DRAW = 0
"""Number of the draw, a part of the random stream's name. A condition draws one recipe per clip, so it is always 0."""


def make_plan(
    suite: Suite,
    systems: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
) -> Plan:
    """The plan of a run. Raises RequestError for unknown names, absent packages, weights or corpora, duplicate ids."""
    chosen = tuple(dict.fromkeys(suite.systems if systems is None else systems))
    cards = {name: component_of(name).card for name in chosen}
    metric_cards = {name: metric_card(name) for name in resolve_metrics(suite.metrics if metrics is None else metrics)}
    require_weights([*cards.values(), *metric_cards.values()])
    trials = tuple(trials_of(suite, limit))
    return Plan(
        suite=suite,
        trials=trials,
        system_cards=cards,
        metric_cards=metric_cards,
        signatures={name: signature(card) for name, card in metric_cards.items()},
        jobs=tuple(job for name in chosen for job in _jobs(name, suite, trials)),
        left_out=max(0, len(clips_of(suite)[: suite.limit]) - limit) if limit else 0,
    )


def _jobs(name: str, suite: Suite, trials: Sequence[Trial]) -> list[Job]:
    """Every restoration of one system. Raises RequestError for a supplied system that has no sound for any clip."""
    component = component_of(name)
    draws = suite.seeds if component.card.stochastic else suite.seeds[:1]
    jobs = []
    for _, group in groupby(trials, key=lambda trial: trial.condition):
        clips = list(group)
        if isinstance(component, Supplied) and not any(component.offers(t) for t in clips):
            continue  # nobody published this condition: an absent cell, not a failure
        for trial in clips:
            identity = system_identity(component, trial)
            for draw in draws:
                seed = integer(trial.suite, trial.id, name, draw)
                key = restoration_key(trial.key, name, identity, seed if component.card.stochastic else None)
                jobs.append(Job(trial, name, draw, seed, key))
    if trials and not jobs:
        beside = sorted(set(suite.systems) - {name})
        raise RequestError(f"{name} has no sound for any clip of {suite.name}; its other systems: {', '.join(beside)}")
    return jobs


def clips_of(suite: Suite) -> list[Utterance]:
    """Every clip of a suite's corpus, in order. Raises RequestError when the corpus is absent."""
    corpus: Corpus = registry.create("corpora", suite.corpus.reader, **suite.corpus.options)
    return [replace(utterance, rate=suite.corpus.rate) for utterance in corpus.utterances()]


def trials_of(suite: Suite, limit: int | None) -> Iterator[Trial]:
    """The trials of a suite, in order. Raises RequestError when its corpus or noise is absent, or ids repeat."""
    everything = clips_of(suite)
    utterances = everything[: suite.limit][:limit]
    seen: set[tuple[str, str]] = set()
    for utterance in utterances:
        if (utterance.group, utterance.id) in seen:
            raise RequestError(f"{suite.name}: two clips share the id {utterance.id!r}; rename one")
        seen.add((utterance.group, utterance.id))
        require_id(utterance.id, suite.name)
        if utterance.group:
            require_id(utterance.group, suite.name)
    if not suite.condition:
        for utterance in sorted(utterances, key=lambda u: u.group):
            yield Trial(suite.name, utterance.group or "recorded", utterance, None, recorded_trial_key(utterance))
    for condition in suite.condition:
        yield from _degraded(suite, condition, utterances, everything)


def _degraded(
    suite: Suite, condition: Condition, utterances: Sequence[Utterance], corpus: Sequence[Utterance]
) -> Iterator[Trial]:
    corruption: Corruption = registry.create("corruptions", condition.corruption, **condition.options)
    for utterance in utterances:
        if utterance.degraded is not None or utterance.uri is None:
            raise RequestError(
                f"{suite.name}: {utterance.id} arrives degraded, so condition {condition.name} cannot degrade it; "
                "leave [[condition]] out of a suite of recordings"
            )
        scene = scene_of(utterance, corpus)
        rng = generator(suite.draws or suite.name, utterance.id, condition.name, FIRST_DRAW)
        # A clip whose header cannot be read keeps its place; the run records why it has no sound.
        recipe = corruption.draw(rng, scene) if scene else None
        key = rendered_trial_key(corruption.card.version, utterance, recipe)
        yield Trial(suite.name, condition.name, utterance, recipe, key)


def scene_of(utterance: Utterance, corpus: Sequence[Utterance]) -> Scene | None:
    """What a corruption may know of a clip, from its header alone; None when the header cannot be read."""
    assert utterance.uri is not None
    try:
        info = header(resolve_uri(utterance.uri))
    except AudioError:
        return None
    if info.frames == 0 or info.channels != 1:
        return None
    others = tuple(o.uri for o in corpus if o.uri is not None and o.uri != utterance.uri)
    rate = utterance.rate or info.samplerate
    return Scene(rate=rate, seconds=info.frames / info.samplerate, uri=utterance.uri, others=others)
