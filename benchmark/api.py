"""The Python interface for scripts and notebooks: score, restore, degrade, evaluate, check a system, open results.

`import restorebench as rb` gives every function of this module as `rb.NAME`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restorebench.benchmark import registry, suite
from restorebench.benchmark.components import (
    is_synthesizer,
    metric_card,
    require_weights,
    resolve_metrics,
    runnable_synthesizer,
    runnable_system,
    runnable_system_names,
)
from restorebench.benchmark.conformance.check_system import Conformance
from restorebench.benchmark.conformance.check_system import check_system as run_checks
from restorebench.benchmark.conformance.speech_checks import check_synthesizer
from restorebench.benchmark.contracts import Corruption, Scene, Subject, Synthesizer, System
from restorebench.benchmark.core.pool import default_workers
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.plan.planner import speech_job
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.defaults import plan_of_suite
from restorebench.benchmark.run.engine import forget_failed_scores, forget_failed_speech, run
from restorebench.benchmark.run.execute import execute, open_or_make, write_tables
from restorebench.benchmark.run.inline import FunctionSystem, Restorer, restore_inline
from restorebench.benchmark.run.pairs import render
from restorebench.benchmark.run.restore import restore_audio
from restorebench.benchmark.run.scoring import metric
from restorebench.benchmark.run.scoring import score as score_clips
from restorebench.benchmark.suite import Suite, load_suite, spoken_by
from restorebench.benchmark.types import Audio, Recipe
from restorebench.reports.results import Results

ANCHORS = ("unprocessed", "target")


@dataclass(frozen=True, eq=False)
class Degraded:
    """A degraded sound, its reference of equal length, and the recipe that renders it again."""

    samples: NDArray[np.float32]
    reference: NDArray[np.float32]
    recipe: Recipe


def score(
    estimate: ArrayLike,
    reference: ArrayLike | None = None,
    *,
    rate: int,
    text: str | None = None,
    language: str = "en",
    metrics: Sequence[str] = ("dnsmos",),
) -> dict[str, float]:
    """Scores one sound.

    Args:
        estimate: Samples [time], full scale ±1.
        reference: The clean sound [time] at the same rate, for metrics that need a reference.
        rate: Sampling rate of both sounds, in Hz.
        text: The spoken text, for word error rates.
        language: Language of the text, as an ISO 639-1 code.
        metrics: Names of metrics or of single values (`restorebench list metrics`).

    Returns:
        Value name -> number.

    Raises:
        RequestError: A metric is unknown, or lacks a package, weights, the reference or the text.
        AudioError: The sound cannot be scored, for instance because it is silent.

    Example:
        >>> import numpy as np
        >>> import restorebench as rb
        >>> sound = np.random.default_rng(0).normal(scale=0.1, size=16_000)
        >>> rb.score(sound, sound, rate=16_000, metrics=["lsd"])
        {'lsd': 0.0}
    """
    names = resolve_metrics(metrics)
    cards = [metric_card(name) for name in names]
    require_weights(cards)
    available = {name for name, value in (("reference", reference), ("text", text)) if value is not None}
    for card in cards:
        if lacking := sorted(card.needs - available):
            raise RequestError(f"metric {card.name} needs {', '.join(lacking)}; pass it to score, or omit the metric")
    clip = SharedClip(_audio(estimate, rate))
    clean = None if reference is None else SharedClip(_audio(reference, rate))
    subject = Subject(reference=clean, text=text, language=language)
    values: dict[str, float] = {}
    for name in names:
        [outcomes] = score_clips(metric(name), subject, [clip])
        for value_name, outcome in outcomes.items():
            if outcome.value is None:
                raise AudioError(f"{value_name}: {outcome.why}")
            values[value_name] = outcome.value
    return values


def restore(samples: ArrayLike, rate: int, system: str, seed: int = 0) -> NDArray[np.float32]:
    """Restores one sound.

    Args:
        samples: Degraded sound [time], full scale ±1.
        rate: Sampling rate in Hz; the sound is resampled to the system's rate and back.
        system: A system's name, with a checkpoint where it needs one: `masksr2-s@FILE`.
        seed: Random seed; only systems that generate speech by random sampling use it.

    Weights that the system needs are downloaded when they are not here.

    Returns:
        Restored samples [time], of the same rate and length.

    Raises:
        RequestError: The system is unknown or cannot be used here.
        AudioError: The system failed on this sound.

    Example:
        >>> import numpy as np
        >>> import restorebench as rb
        >>> noise = np.random.default_rng(0).normal(scale=0.1, size=16_000)
        >>> rb.restore(noise, 16_000, system="spectral-gate").shape
        (16000,)
    """
    restored, _ = restore_audio(runnable_system(system), _audio(samples, rate), seed)
    return restored.samples


def check_system(
    system: str | Restorer | System | Synthesizer,
    *,
    rate: int | None = None,
    long: bool = False,
    progress: Progress = silent,
) -> Conformance:
    """Checks whether a system keeps the contract: length, delay, gain, polarity, silence, state, memory and more.

    A synthesizer is checked for what the downstream test needs: the prompt reaches its model unchanged, equal seeds
    give equal speech, and no sentence is empty or generated twice.

    Args:
        system: A registered name, a function `(samples, rate) -> samples`, a `System` or a `Synthesizer`.
        rate: Rate of the checks in Hz, for a function; default: 16 and 48 kHz.
        long: Always test ten minutes of speech in one call; by default only if it should take less than a minute.
        progress: Called once, with the checks as its steps.

    Returns:
        One finding per check and rate; `faults` are those that the system's author should fix.

    Raises:
        RequestError: An unknown or unusable name.

    Example:
        >>> import restorebench as rb
        >>> def quieter(samples, rate):
        ...     return 0.25 * samples
        >>> [(fault.check, fault.seen) for fault in rb.check_system(quieter, rate=16_000).faults]
        [('gain', '-12.0 dB on clean speech')]
    """
    if isinstance(system, str) and is_synthesizer(system):
        return check_synthesizer(runnable_synthesizer(system), progress)
    if isinstance(system, Synthesizer):
        return check_synthesizer(system, progress)
    if isinstance(system, str):
        runnable = runnable_system(system)
    else:
        runnable = _as_system(system, getattr(system, "__name__", type(system).__name__))
    if rate is not None and isinstance(runnable, FunctionSystem):
        runnable.card = runnable.card.model_copy(update={"rate": rate})
    return run_checks(runnable, long, progress)


def degrade(samples: ArrayLike, rate: int, corruption: str = "voicefixer", seed: int = 0, **options: Any) -> Degraded:
    """Degrades one clean sound.

    Args:
        samples: Clean sound [time], full scale ±1.
        rate: Sampling rate in Hz.
        corruption: A corruption's name (`restorebench list corruptions`).
        seed: Random seed; the same seed draws the same recipe.
        options: Options of the corruption, named as in a suite's `[[condition]]`.

    Returns:
        The degraded sound, its reference at the same level, and the recipe.

    Raises:
        RequestError: An unknown corruption or option.

    Example:
        >>> import numpy as np
        >>> import restorebench as rb
        >>> clean = np.sin(np.arange(16_000) / 10).astype(np.float32)
        >>> degraded = rb.degrade(clean, 16_000, "clipping", seed=1)
        >>> [step["name"] for step in degraded.recipe.steps]
        ['clip']
    """
    audio = _audio(samples, rate)
    created: Corruption = registry.create("corruptions", corruption, **options)
    recipe = created.draw(generator("degrade", corruption, seed), Scene(rate=rate, seconds=audio.seconds))
    pair = render(recipe, audio)
    assert pair.reference is not None
    return Degraded(pair.degraded.samples, pair.reference.samples, recipe)


def evaluate(
    system: str | Restorer | System | Sequence[str] | Mapping[str, Restorer | System] | None,
    suite: str | Suite = "demo",
    *,
    store: str | Path,
    beside: Sequence[str] = ANCHORS,
    synthesizer: str = "",
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
    progress: Progress = silent,
) -> Results:
    """Degrades, restores and scores a suite. Stored results are reused; only Python functions and objects run again.

    Args:
        system: One or several registered names, a function `(samples, rate) -> samples`, a `System`, or a mapping from
            names to functions and `System` objects. None: the suite's own systems that can be used here.
        suite: A suite, its name, or a path to a .toml file.
        store: Folder of results; made when absent.
        beside: Registered systems to measure as well, on the same clips; ignored where `system` is None.
        synthesizer: In a suite with speech, the TTS system that gets restored clips as prompts; default: the suite's.
        metrics: Names of metrics; default: those of the suite that can be used here.
        limit: Use only the first `limit` clips of the corpus.
        workers: Processes for registered systems and scoring; default: one per core.
        retry_failed: Also try clips again that failed in an earlier run.
        progress: Called for every stage.

    Default systems and metrics that cannot be used here are left out, each with a warning that says why.

    Returns:
        All results of this suite in the store, including those of earlier runs.

    Raises:
        RequestError: An unknown or unusable name, an absent corpus, a store that cannot be made.

    Example:
        >>> import restorebench as rb
        >>> def quieter(samples, rate):
        ...     return 0.5 * samples
        >>> results = rb.evaluate(quieter, "demo", store=folder, metrics=["si_sdr"], limit=1, workers=1)
        >>> list(results.board().index)
        ['unprocessed', 'target', 'quieter']
    """
    definition = spoken_by(suite if isinstance(suite, Suite) else load_suite(suite), synthesizer)
    names, objects = _split(system)
    chosen = tuple(dict.fromkeys([*names, *beside])) if system is not None else None
    plan, unusable = plan_of_suite(definition, chosen, metrics, limit)
    count = workers or default_workers()
    for name, why in unusable.items():
        warnings.warn(f"without {name}: {why}", stacklevel=2)
    if objects:
        _execute_inline(plan, objects, Path(store), count, progress, retry_failed)
    else:
        execute(plan, Path(store), count, progress, retry_failed)
    return Results(store, definition.name)


def _execute_inline(
    plan: Plan, objects: Mapping[str, System], store: Path, workers: int, progress: Progress, retry_failed: bool
) -> None:
    """Runs registered systems in worker processes and Python objects in this process; then scores all of them."""
    opened = open_or_make(store)
    run(replace(plan, metric_cards={}, signatures={}), opened, workers, progress, retry_failed)
    for name, system in objects.items():
        jobs = restore_inline(system, name, plan.suite, plan.trials, opened, progress)
        if plan.suite.speech:
            jobs = [speech_job(job, plan.suite.synthesizer) for job in jobs]
        plan = replace(plan, system_cards={**plan.system_cards, name: system.card}, jobs=(*plan.jobs, *jobs))
    if retry_failed:
        forget_failed_speech(plan, opened)
        forget_failed_scores(plan, opened, opened.outcomes())
    run(plan, opened, workers, progress)
    write_tables(opened)


def _split(
    system: str | Restorer | System | Sequence[str] | Mapping[str, Restorer | System] | None,
) -> tuple[list[str], dict[str, System]]:
    """Registered names, and objects by name. Raises RequestError for an object whose name is taken."""
    if system is None:
        return [], {}
    if isinstance(system, str):
        return [system], {}
    if isinstance(system, Mapping):
        objects = {name: _as_system(restorer, name) for name, restorer in system.items()}
    elif isinstance(system, Sequence):
        return list(system), {}
    else:
        name = system.card.name if isinstance(system, System) else getattr(system, "__name__", type(system).__name__)
        objects = {name: _as_system(system, name)}
    if taken := [name for name in objects if name in registry.targets_by_name("systems")]:
        raise RequestError(f"{taken[0]} is a registered system; give yours another name: evaluate({{'mine': ...}})")
    return [], objects


def _as_system(restorer: Restorer | System, name: str) -> System:
    return restorer if isinstance(restorer, System) else FunctionSystem(restorer, name)


def open_results(store: str | Path, suite: str = "") -> Results:
    """The results of one suite of a store, by default of the latest one. Raises RequestError when there is none."""
    return Results(store, suite)


def list_systems(runnable: bool = False) -> list[str]:
    """Names of systems; with `runnable`, only those that process new sound (no anchors, no finished audio)."""
    return runnable_system_names() if runnable else list(registry.targets_by_name("systems"))


def list_metrics() -> list[str]:
    """Names of metrics."""
    return list(registry.targets_by_name("metrics"))


def list_corruptions() -> list[str]:
    """Names of corruptions."""
    return list(registry.targets_by_name("corruptions"))


def list_suites() -> list[str]:
    """Names of suites."""
    return list(suite.known())


def _audio(samples: ArrayLike, rate: int) -> Audio:
    """Samples as `Audio`. Raises AudioError for samples that are not mono [time]."""
    array = np.asarray(samples, dtype=np.float32)
    if array.ndim != 1:
        raise AudioError(f"wanted mono samples [time], got an array of shape {array.shape}; pass one channel")
    return Audio(array, rate)


__all__ = [
    "Conformance", "Degraded", "Suite", "check_system", "degrade", "evaluate", "list_corruptions", "list_metrics",
    "list_suites", "list_systems", "load_suite", "open_results", "restore", "score",
]  # fmt: skip
