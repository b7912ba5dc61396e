"""Stage 1: renders the degraded clip of each trial."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restorebench.benchmark import registry
from restorebench.benchmark.audio import read, write_grid
from restorebench.benchmark.contracts import Corruption
from restorebench.benchmark.errors import AudioError, reason
from restorebench.benchmark.run.pairs import make_pair as make_pair
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.suite import Suite
from restorebench.benchmark.types import Audio, Pair, Trial


@dataclass(frozen=True)
class PairUnit:
    store: Path
    suite: Suite
    trial: Trial


def make_pair_unit(unit: PairUnit) -> str:
    store, trial = Store(unit.store), unit.trial
    corruption: Corruption | None = None
    try:
        if trial.recipe is not None:
            corruption = registry.create("corruptions", trial.recipe.corruption)
        pair = make_pair(trial.utterance, trial.recipe, corruption)
    except Exception as error:
        store.put_note("pairs", trial.key, {"why": reason(error)})
        return trial.key
    assert pair.reference is not None
    write_grid(store.sound("pairs", f"{trial.key}.reference.flac"), pair.reference)
    write_grid(store.sound("pairs", f"{trial.key}.degraded.flac"), pair.degraded)
    note = {"degraded": pair.degraded.sha256(), "reference": pair.reference.sha256(), "rate": pair.degraded.rate}
    store.put_note("pairs", trial.key, {**note, "why": ""})
    return trial.key


def _pair_died(unit: PairUnit, why: str) -> str:
    Store(unit.store).put_note("pairs", unit.trial.key, {"why": why})
    return unit.trial.key


def load_pair(store: Store, trial: Trial) -> Pair:
    """The pair of a trial, from the store; for a recorded trial, from its corpus. Raises AudioError."""
    if trial.utterance.degraded is not None:
        return make_pair(trial.utterance, None, None)
    note = store.note("pairs", trial.key)
    if note is None or note["why"]:
        raise AudioError(note["why"] if note else "the pair has not been made")
    sides = ("reference", "degraded")
    reference, degraded = (stored(store.sound("pairs", f"{trial.key}.{side}.flac"), note[side]) for side in sides)
    return Pair(reference, degraded)


def stored(path: Path, sha256: str) -> Audio:
    """A sound of the store. Raises AudioError when its samples do not have the hash `sha256`."""
    audio = read(path)
    if (seen := audio.sha256()) != sha256:
        raise AudioError(f"{path.name}: the samples' sha256 is {seen}, wanted {sha256}; run again with --retry-failed")
    return audio
