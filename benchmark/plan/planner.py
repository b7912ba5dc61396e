"""Makes the plan of a suite, systems and metrics. Absent components, weights and corpora raise RequestError here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from restorebench.benchmark import registry
from restorebench.benchmark.audio import header
from restorebench.benchmark.components import (
    metric_card,
    require_weights,
    resolve_metrics,
    synthesizer_card,
    system_of,
)
from restorebench.benchmark.contracts import Corpus, Corruption, MetricCard, Scene, Supplied
from restorebench.benchmark.core.seeds import generator, integer
from restorebench.benchmark.core.text import require_id
from restorebench.benchmark.data.locations import resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.plan.keys import (
    recorded_trial_key,
    rendered_trial_key,
    restoration_key,
    signature,
    speech_key,
    synthesizer_identity,
    system_identity,
)
from restorebench.benchmark.plan.plan import Job, Plan
from restorebench.benchmark.plan.voices import Voices
from restorebench.benchmark.suite import Condition, Suite
from restorebench.benchmark.types import Recipe, Trial, Utterance

FIRST_DRAW = 0
"""Number of the draw, a part of the random stream's name. Always 0, since a condition draws one recipe per clip."""


def make_plan(
    suite: Suite,
    systems: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
) -> Plan:
    """The plan of a run. Raises RequestError for unknown names, absent packages, weights or corpora, duplicate ids."""
    chosen = tuple(dict.fromkeys(suite.systems if systems is None else systems))
    cards = {name: system_of(name).card for name in chosen}
    metric_cards = {name: metric_card(name) for name in resolve_metrics(suite.metrics if metrics is None else metrics)}
    synthesizers = [synthesizer_card(suite.synthesizer)] if suite.speech else []
    require_weights([*cards.values(), *metric_cards.values(), *synthesizers])
    trials = tuple(trials_of(suite, limit))
    if suite.speech:
        _require_speech(suite, trials, metric_cards.values())
    return Plan(
        suite=suite,
        trials=trials,
        system_cards=cards,
        metric_cards=metric_cards,
        signatures={name: signature(card, suite.synthesizer) for name, card in metric_cards.items()},
        jobs=tuple(job for name in chosen for job in _jobs(name, suite, trials)),
        left_out=max(0, len(clips_of(suite)[: suite.limit]) - limit) if limit else 0,
    )


def _jobs(name: str, suite: Suite, trials: Sequence[Trial]) -> list[Job]:
    """Every restoration of one system. Raises RequestError for a supplied system that has no sound for any clip."""
    component = system_of(name)
    draws = suite.seeds if component.card.stochastic else suite.seeds[:1]
    jobs = []
    for _, group in groupby(trials, key=lambda trial: trial.condition):
        clips = list(group)
        if isinstance(component, Supplied) and not any(component.offers(t) for t in clips):
            continue  # no sound for any clip of this condition: an absent cell, not a failure
        for trial in clips:
            identity = system_identity(component, trial)
            for draw in draws:
                seed = integer(suite.base or suite.name, trial.id, name, draw)
                key = restoration_key(trial.key, name, identity, seed if component.card.stochastic else None)
                job = Job(trial, name, draw, seed, key)
                jobs.append(speech_job(job, suite.synthesizer) if suite.speech else job)
    if trials and not jobs:
        others = sorted(set(suite.systems) - {name})
        raise RequestError(
            f"{name} has no sound for any clip of {suite.name}; other systems of the suite: {', '.join(others)}"
        )
    return jobs


def speech_job(job: Job, synthesizer: str) -> Job:
    """The job in which a synthesizer speaks with the output of the restoration `job` as its prompt."""
    identity = synthesizer_identity(synthesizer_card(synthesizer))
    key = speech_key(job.key, identity, job.trial.utterance, job.speech_seed)
    return replace(job, key=key, prompt=job.key, synthesizer=synthesizer)


def _require_speech(suite: Suite, trials: Sequence[Trial], metrics: Iterable[MetricCard]) -> None:
    """Raises RequestError for a suite whose speech cannot be made, or for a metric that cannot score speech."""
    for card in metrics:
        compares = "reference" in card.needs and any(value.role != "voice" for value in card.values)
        if card.conforms or compares or "seconds" in card.needs:
            raise RequestError(
                f"{suite.name}: {card.name} cannot score speech: the synthesizer says a different sentence; "
                "name metrics such as wer@whisper-tiny.en, spk_sim@dvector, sim_o, dnsmos"
            )
    languages = synthesizer_card(suite.synthesizer).languages
    for trial in trials:
        clip = trial.utterance
        if clip.text is None or clip.say is None:
            raise RequestError(f"{suite.name}: {clip.id} has no {'text' if clip.text is None else 'sentence to say'}")
        if clip.language not in languages:
            spoken = ", ".join(languages)
            raise RequestError(f"{suite.name}: {suite.synthesizer} speaks {spoken}; {clip.id} is in {clip.language}")


def clips_of(suite: Suite) -> list[Utterance]:
    """Every clip of a suite's corpus, in order. Raises RequestError when the corpus is absent."""
    corpus: Corpus = registry.create("corpora", suite.corpus.reader, **suite.corpus.options)
    clips = [replace(utterance, rate=suite.corpus.rate) for utterance in corpus.utterances()]
    if suite.corpus.say == "another":
        half = len(clips) // 2
        clips = [
            replace(clip, say=other.text) for clip, other in zip(clips, [*clips[half:], *clips[:half]], strict=True)
        ]
    return clips


def trials_of(suite: Suite, limit: int | None) -> Iterator[Trial]:
    """The trials of a suite, in order. Raises RequestError when its corpus or noise is absent, or ids repeat."""
    corpus_clips = clips_of(suite)
    utterances = corpus_clips[: suite.limit][:limit]
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
    voices = Voices(corpus_clips)
    for condition in suite.condition:
        yield from _degraded(suite, condition, utterances, voices)


def _degraded(suite: Suite, condition: Condition, utterances: Sequence[Utterance], voices: Voices) -> Iterator[Trial]:
    corruption: Corruption = registry.create("corruptions", condition.corruption, **condition.options)
    for utterance in utterances:
        if utterance.degraded is not None or utterance.uri is None:
            raise RequestError(
                f"{suite.name}: {utterance.id} is degraded already, so condition {condition.name} cannot degrade it; "
                "leave [[condition]] out of a suite of recordings"
            )
        scene = scene_of(utterance, voices)
        rng = generator(suite.draws or suite.base or suite.name, utterance.id, condition.name, FIRST_DRAW)
        # A clip without a scene stays in the plan; the run records why it could not be degraded.
        recipe = corruption.draw(rng, scene) if scene else None
        clip = utterance if recipe is None or keeps_words(corruption, recipe) else replace(utterance, text=None)
        key = rendered_trial_key(corruption.card.version, clip, recipe)
        yield Trial(suite.name, condition.name, clip, recipe, key)


def keeps_words(corruption: Corruption, recipe: Recipe) -> bool:
    """Whether the clip's text is still a transcript of the recipe's target. True if there is no `keeps_words`."""
    keeps = getattr(corruption, "keeps_words", None)
    return keeps is None or bool(keeps(recipe))


def scene_of(utterance: Utterance, voices: Voices) -> Scene | None:
    """The scene of a clip, from its header and the corpus; None if the file is unreadable, empty or not mono."""
    assert utterance.uri is not None
    try:
        info = header(resolve_uri(utterance.uri))
    except AudioError:
        return None
    if info.frames == 0 or info.channels != 1:
        return None
    rate, others = utterance.rate or info.samplerate, voices.beside(utterance.uri)
    return Scene(rate=rate, seconds=info.frames / info.samplerate, uri=utterance.uri, others=others)
