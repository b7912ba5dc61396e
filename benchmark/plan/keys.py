"""Cache keys of all results. When one part of a key changes, only results that depend on it are computed again.

trial key        corruption's version, clean file's hash, recipe, rate; for a recording: hashes of both files, rate
restoration key  trial key, system's name and identity, seed if the system samples
signature        metric's name, version, definition and length rule; packages and weights that compute the metric
score key        restoration key, suite, trial's id, seed number, signature; text and language if the metric reads them
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

from restorebench.benchmark.audio import LENGTH_TOLERANCE_S
from restorebench.benchmark.contracts import MetricCard, Supplied, System, SystemCard
from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.data import weights
from restorebench.benchmark.data.locations import resolve_uri, sha256_if_readable
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.plan.plan import Job
from restorebench.benchmark.types import Recipe, Trial, Utterance


def recorded_trial_key(utterance: Utterance) -> str:
    """Key of a trial whose degraded sound is a recording."""
    # Two files that cannot be read are two clips.
    degraded = utterance.sha256 or f"unread {utterance.degraded}"
    clean = (sha256_if_readable(resolve_uri(utterance.uri)) or f"unread {utterance.uri}") if utterance.uri else ""
    return digest("recorded", degraded, clean, *_rate(utterance))


def rendered_trial_key(corruption_version: int, utterance: Utterance, recipe: Recipe | None) -> str:
    """Key of a trial whose degraded sound is rendered; without a recipe, of a clip whose header cannot be read."""
    drawn = recipe.to_json() if recipe else "unreadable"
    clean = utterance.sha256 or f"unread {utterance.uri}"  # two unreadable files must have different keys
    return digest(str(corruption_version), clean, drawn, *_rate(utterance))


def _rate(utterance: Utterance) -> list[str]:
    return [f"{utterance.rate} Hz"] if utterance.rate else []


def system_identity(component: System | Supplied, trial: Trial) -> str:
    """Everything but trial and seed on which an output depends: versions and weights, or the finished file's hash."""
    card: SystemCard = component.card
    hashes = [weights.identity(name) for name in card.weights]
    finished = [component.identity(trial)] if isinstance(component, Supplied) else []
    late = [f"delay={card.delay_s:g}s"] if card.delay_s else []
    locked = [f"{card.environment[0]}+lock={Environment(card.environment).lock}"] if card.environment else []
    return "|".join(
        [f"{card.name}@{card.version}", card.identity, *late, *locked, *versions_of(card.packages), *hashes, *finished]
    )


def restoration_key(trial_key: str, system: str, identity: str, seed: int | None) -> str:
    """Key of one restoration; seed is None for a system that does not sample."""
    return digest(trial_key, system, identity, "" if seed is None else str(seed))


def signature(card: MetricCard) -> str:
    """name@version, the definition, how lengths are fitted, and the packages and weights that compute a metric."""
    fitted = f"length=reference±{1000 * LENGTH_TOLERANCE_S:g}ms" if card.conforms else ""
    locked = [f"{card.environment[0]}+lock={Environment(card.environment).lock}"] if card.environment else []
    versions = "+".join([*versions_of(card.packages), *locked])
    hashes = [card.identity, *(weights.identity(name) for name in card.weights)]
    used = "weights=" + "+".join(known[:16] for known in hashes if known) if any(hashes) else ""
    parts = (f"{card.name}@{card.version}", card.definition, fitted, versions, used)
    return "|".join(part for part in parts if part)


def score_key(job: Job, card: MetricCard, signature: str) -> str:
    """Key of a metric's values for one restoration; those of a metric that reads the transcript depend on it."""
    utterance = job.trial.utterance
    spoken = (utterance.text or "", utterance.language) if "text" in card.needs else ()
    return digest(job.trial.suite, job.trial.id, job.key, str(job.draw), signature, *spoken)


def versions_of(packages: Sequence[str]) -> list[str]:
    """`name=version` of installed distributions. Raises PackageNotFoundError for one that is not."""
    return [f"{name}={importlib.metadata.version(name)}" for name in packages]
