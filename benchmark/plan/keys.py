"""Cache keys of all results. When one part of a key changes, only results that depend on it are computed again.

trial key        corruption's version, clean file's hash, recipe, rate; for a recording: hashes of both files, rate
restoration key  trial key, system's name and identity, seed if the system samples
speech key       key of the prompt's restoration, synthesizer's identity, both texts, language, seed
signature        metric's name, version, definition and length rule; packages and weights that compute the metric;
                 the synthesizer's identity, where its speech is scored
score key        restoration or speech key, suite, trial's id, seed number, signature; text and language if the
                 metric reads them
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

from restorebench.benchmark.audio import LENGTH_TOLERANCE_S
from restorebench.benchmark.components import synthesizer_card
from restorebench.benchmark.contracts import Card, MetricCard, Supplied, SynthesizerCard, System, SystemCard
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.data import weights
from restorebench.benchmark.data.locations import resolve_uri, sha256_if_readable
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.plan.plan import Job
from restorebench.benchmark.types import Recipe, Trial, Utterance


def recorded_trial_key(utterance: Utterance) -> str:
    """Key of a trial whose degraded sound is a recording."""
    # Two unreadable files must have different keys.
    degraded = utterance.sha256 or f"unread {utterance.degraded}"
    clean = (sha256_if_readable(resolve_uri(utterance.uri)) or f"unread {utterance.uri}") if utterance.uri else ""
    return digest("recorded", degraded, clean, *_rate(utterance))


def rendered_trial_key(corruption_version: int, utterance: Utterance, recipe: Recipe | None) -> str:
    """Key of a trial whose degraded sound is rendered; recipe: None for an unreadable, empty or multichannel clip."""
    drawn = recipe.to_json() if recipe else "unreadable"
    clean = utterance.sha256 or f"unread {utterance.uri}"  # two unreadable files must have different keys
    return digest(str(corruption_version), clean, drawn, *_rate(utterance))


def _rate(utterance: Utterance) -> list[str]:
    return [f"{utterance.rate} Hz"] if utterance.rate else []


def system_identity(component: System | Supplied, trial: Trial) -> str:
    """All that an output depends on except trial and seed: versions and weights, or the finished file's hash."""
    card: SystemCard = component.card
    hashes = [weights.identity(name) for name in card.weights]
    finished = [component.identity(trial)] if isinstance(component, Supplied) else []
    delay = [f"delay={card.delay_s:g}s"] if card.delay_s else []
    return "|".join(
        [
            f"{card.name}@{card.version}",
            card.identity,
            *delay,
            *_locked(card),
            *versions_of(card.packages),
            *hashes,
            *finished,
        ]
    )


def restoration_key(trial_key: str, system: str, identity: str, seed: int | None) -> str:
    """Key of one restoration; seed is None for a system that does not sample."""
    return digest(trial_key, system, identity, "" if seed is None else str(seed))


def synthesizer_identity(card: SynthesizerCard) -> str:
    """Everything on which a synthesizer's speech depends except the request: version, packages and weights."""
    hashes = [weights.identity(name) for name in card.weights]
    return "|".join(
        [f"{card.name}@{card.version}", card.identity, *_locked(card), *versions_of(card.packages), *hashes]
    )


def speech_key(prompt: str, identity: str, utterance: Utterance, seed: int) -> str:
    """Key of a synthesizer's speech; prompt: the key of the prompt's restoration."""
    texts = (utterance.text or "", utterance.say or "")
    return digest("speech", prompt, identity, *texts, utterance.language, str(seed))


def signature(card: MetricCard, synthesizer: str = "") -> str:
    """The signature of a metric: name@version, definition, length rule, and the packages and weights that compute it.

    synthesizer: name of the synthesizer whose speech is scored; "" where restorations are scored.
    """
    length_rule = f"length=reference±{1000 * LENGTH_TOLERANCE_S:g}ms" if card.conforms else ""
    versions = "+".join([*versions_of(card.packages), *_locked(card)])
    hashes = [card.identity, *(weights.identity(name) for name in card.weights)]
    weight_hashes = "weights=" + "+".join(one[:16] for one in hashes if one) if any(hashes) else ""
    speech = f"speech={synthesizer_identity(synthesizer_card(synthesizer))}" if synthesizer else ""
    parts = (f"{card.name}@{card.version}", card.definition, length_rule, versions, weight_hashes, speech)
    return "|".join(part for part in parts if part)


def score_key(job: Job, card: MetricCard, signature: str) -> str:
    """Key of a metric's values for one restoration; text and language are part of it if the metric needs the text."""
    spoken = (job.text or "", job.trial.utterance.language) if "text" in card.needs else ()
    return digest(job.trial.suite, job.trial.id, job.key, str(job.draw), signature, *spoken)


def _locked(card: Card) -> list[str]:
    """First requirement of a component's own environment, and a hash of all requirements; empty if it has none."""
    return [f"{card.environment[0]}+lock={Environment(card.environment).lock}"] if card.environment else []


def versions_of(packages: Sequence[str]) -> list[str]:
    """`name=version` of installed distributions. Raises PackageNotFoundError for one that is not installed."""
    return [f"{name}={importlib.metadata.version(name)}" for name in packages]
