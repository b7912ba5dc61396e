"""How much a metric's values change with the level, delay, rate and length of a sound.

The sensitivity is measured on degraded clips of the bundled suite: the score of a changed clip minus the score of the
unchanged clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from restorebench.benchmark import registry
from restorebench.benchmark.audio import resample
from restorebench.benchmark.contracts import Subject, Value
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.plan.planner import trials_of
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.pairs import make_pair
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.suite import load_suite
from restorebench.benchmark.types import Audio, Outcome, Table

SUITE, CLIPS = "demo", 6
DASH = "–"


def _gain(db: float) -> Callable[[Audio], Audio]:
    return lambda audio: Audio((audio.samples * 10 ** (db / 20)).astype(np.float32), audio.rate)


def _late(seconds: float) -> Callable[[Audio], Audio]:
    def late(audio: Audio) -> Audio:
        count = round(seconds * audio.rate)
        return Audio(np.concatenate([np.zeros(count, np.float32), audio.samples])[: len(audio.samples)], audio.rate)

    return late


CHANGES: dict[str, Callable[[Audio], Audio]] = {
    "6 dB lower": _gain(-6.0),
    "6 dB higher": _gain(6.0),
    "1 ms late": _late(0.001),
    "20 ms late": _late(0.02),
    "at 48 kHz": lambda audio: Audio(resample(audio.samples, audio.rate, 48_000), 48_000),
    "1 s of silence after": lambda audio: Audio(np.pad(audio.samples, (0, audio.rate)), audio.rate),
    "second half gone": lambda audio: Audio(audio.samples[: len(audio.samples) // 2], audio.rate),
}
"""Name -> function that changes the degraded clip; the reference is not changed."""


@dataclass(frozen=True)
class Sensitivity:
    """The effects of the changes on one value."""

    value: Value
    plain: float
    """The score over the unchanged clips, as boards show it: a mean, or the pooled rate."""
    changes: Mapping[str, float | None]
    """Change -> score over the changed clips minus `plain`; None where a clip cannot be scored."""
    why: Mapping[str, str]
    """Change -> why a clip cannot be scored."""


def sensitivities(
    metrics: Sequence[str], progress: Progress = silent, clips: int = CLIPS
) -> tuple[list[Sensitivity], dict[str, str]]:
    """The sensitivity of every value of some metrics, and metric -> why its sensitivity could not be measured.

    Args:
        metrics: Names of metrics that can be used here and do not need processing times.
        progress: Shows the progress of the measurement.
        clips: Number of clips, spread over the bundled suite.
    """
    subjects = list(_subjects(clips))
    rows: list[Sensitivity] = []
    why: dict[str, str] = {}

    def steps() -> Iterator[int]:
        for name in metrics:
            try:
                rows.extend(_sensitivity(name, subjects))
            except AudioError as error:
                why[name] = str(error)
            yield 1

    progress("measure", len(metrics), steps())
    return rows, why


def _subjects(clips: int) -> Iterator[tuple[Subject, Audio]]:
    suite = load_suite(SUITE)
    trials = list(trials_of(suite, None))
    for trial in trials[:: max(1, len(trials) // clips)][:clips]:
        corruption = registry.create("corruptions", trial.recipe.corruption) if trial.recipe else None
        pair = make_pair(trial.utterance, trial.recipe, corruption)
        reference = SharedClip(pair.reference) if pair.reference else None
        yield Subject(reference=reference, text=trial.utterance.text, language=trial.utterance.language), pair.degraded


def _sensitivity(name: str, subjects: Sequence[tuple[Subject, Audio]]) -> list[Sensitivity]:
    """Raises AudioError when an unchanged clip has no value."""
    differences = []
    scorer = metric(name)
    scored: list[list[Mapping[str, Outcome]]] = []
    for subject, degraded in subjects:
        versions = [degraded, *(change(degraded) for change in CHANGES.values())]
        scored.append(score(scorer, subject, [SharedClip(version) for version in versions]))
    for value in scorer.card.values:
        plain = _reduced(value, [outcomes[0][value.name] for outcomes in scored])
        if isinstance(plain, str):
            raise AudioError(plain)
        changes: dict[str, float | None] = {}
        why: dict[str, str] = {}
        for number, change in enumerate(CHANGES, 1):
            changed = _reduced(value, [outcomes[number][value.name] for outcomes in scored])
            changes[change] = None if isinstance(changed, str) else changed - plain
            if isinstance(changed, str):
                why[change] = changed
        differences.append(Sensitivity(value, plain, changes, why))
    return differences


def _reduced(value: Value, outcomes: Sequence[Outcome]) -> float | str:
    """The score over the clips as boards show it (the pooled rate or the mean), or why a clip has none."""
    numbers = [outcome.value for outcome in outcomes if outcome.value is not None]
    if len(numbers) < len(outcomes):
        return next(outcome.why for outcome in outcomes if outcome.value is None)
    if value.reduction == "mean":
        return float(np.mean(numbers))
    errors, total = (sum(outcome.components[part] for outcome in outcomes) for part in ("errors", "total"))
    if not total:
        return "there is nothing to count"
    return errors / total * (100.0 if value.unit == "%" else 1.0)


def table(measured: Sequence[Sensitivity], left_out: Mapping[str, str], clips: int = CLIPS) -> Table:
    """A row for each value. left_out: metric -> why it was not measured; clips: number of clips."""
    rows = []
    for sensitivity in measured:
        decimals = sensitivity.value.decimals
        moved = (DASH if shift is None else f"{shift:+.{decimals}f}" for shift in sensitivity.changes.values())
        rows.append((sensitivity.value.name, f"{sensitivity.plain:.{decimals}f}", *moved))
    refused: dict[str, list[str]] = {}
    for sensitivity in measured:
        for change, why in sensitivity.why.items():
            refused.setdefault(f"{change}: {why}", []).append(sensitivity.value.name)
    notes = (
        f"change on {clips} degraded clips of the suite {SUITE}; their references are not changed; "
        "for a metric with a reference, an estimate of nearly the reference's length first gets the reference's rate "
        "and length",
        *(f"no value of {', '.join(names)} for {why}" for why, names in refused.items()),
        *(f"not measured: {name}: {why}" for name, why in left_out.items()),
    )
    return Table("Sensitivity of metrics", ("value", "unchanged", *CHANGES), tuple(rows), notes)
