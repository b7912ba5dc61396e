"""Makes the pair of a trial: reads the reference, renders the recipe, and applies the level and length policy."""

from __future__ import annotations

from restorebench.benchmark import registry
from restorebench.benchmark.audio import header, read, resample, settle
from restorebench.benchmark.contracts import Corruption
from restorebench.benchmark.data.locations import file_sha256, resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.types import Audio, Pair, Recipe, Trial, Utterance


def seconds_of(trial: Trial) -> float | None:
    """Length of a clip in seconds from the header of its file; None when the file is missing or cannot be read."""
    location = trial.utterance.degraded or trial.utterance.uri
    try:
        return float(header(resolve_uri(location)).duration) if location else None
    except (AudioError, RequestError):
        return None


def read_reference(utterance: Utterance) -> Audio | None:
    """The clean sound; None for a recording without one."""
    if utterance.uri is None:
        return None
    return at_rate(read_listed(utterance.uri, utterance.sha256 if utterance.degraded is None else ""), utterance.rate)


def at_rate(audio: Audio, rate: int | None) -> Audio:
    return audio if rate in (None, audio.rate) else Audio(resample(audio.samples, audio.rate, rate), rate)


def read_listed(location: str, sha256: str) -> Audio:
    """A sound of a corpus, checked against the hash that the corpus lists for it, if any. Raises AudioError."""
    path = resolve_uri(location)
    audio = read(path)
    if sha256 and (seen := file_sha256(path)) != sha256:
        raise AudioError(f"{path.name}: sha256 {seen}, the corpus lists {sha256}; fetch the file again")
    return audio


def make_pair(utterance: Utterance, recipe: Recipe | None, corruption: Corruption | None) -> Pair:
    """The pair of a trial. A recorded pair is resampled only; a rendered pair is settled. Raises AudioError."""
    reference = read_reference(utterance)
    if utterance.degraded is not None:
        degraded = at_rate(read_listed(utterance.degraded, utterance.sha256), utterance.rate)
        return Pair(reference=reference, degraded=degraded)
    if reference is None or recipe is None or corruption is None:
        raise AudioError(f"{utterance.id}: no clean sound to degrade")
    return settle(corruption.render(recipe, reference))


def render(recipe: Recipe, clean: Audio) -> Pair:
    """The settled pair of a recipe and a clean sound, without a trial (`restorebench.degrade`)."""
    corruption: Corruption = registry.create("corruptions", recipe.corruption)
    return settle(corruption.render(recipe, clean))
