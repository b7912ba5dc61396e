"""Chooses a suite's default systems and metrics, as far as they can be used here, and fetches their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from restorebench.benchmark import registry
from restorebench.benchmark.components import metric_card, resolve_metrics, synthesizer_card, why_not
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.data import weights
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.plan.planner import make_plan
from restorebench.benchmark.registry import missing_packages
from restorebench.benchmark.suite import Suite


def plan_of_suite(
    suite: Suite,
    systems: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    limit: int | None = None,
    paper_metrics: bool = False,
) -> tuple[Plan, dict[str, str]]:
    """The plan of a run, and why defaults of the suite are left out of it.

    A suite's defaults are used as far as they can be used here; what a caller names is never left out.

    Args:
        suite: What is to be measured.
        systems: Names; default: the suite's.
        metrics: Names; default: the suite's.
        limit: Use only the first `limit` clips of the corpus.
        paper_metrics: Take the suite's `paper_metrics` (the scorers that the papers used) as the default, instead of
            its `metrics`.

    Returns:
        The plan, and name -> reason for each default that cannot be used.

    Raises:
        RequestError: A named system or metric is unknown or unusable, or the corpus is absent.
    """
    defaults = suite.paper_metrics if paper_metrics else suite.metrics
    if metrics is None and not defaults:
        profile = "paper" if paper_metrics else "embedded"
        raise RequestError(f"{suite.name} has no metrics of the profile {profile}; name some (--metrics)")
    unusable = _unusable("systems", suite.systems) if systems is None else {}
    unusable |= _unusable("metrics", defaults) if metrics is None else {}
    chosen = [name for name in suite.systems if name not in unusable] if systems is None else systems
    measured = _with_stand_ins(suite, defaults, unusable) if metrics is None else metrics
    if not measured:
        why = "; ".join(f"{name}: {unusable[name]}" for name in defaults if name in unusable) or "none was named"
        raise RequestError(f"none of the metrics of {suite.name} can be used here ({why})")
    return make_plan(suite, chosen, measured, limit), unusable


def fetch_weights(
    suite: Suite,
    systems: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    say: Callable[[str], None] = print,
    progress: Progress = silent,
) -> None:
    """Fetches the weights that a run needs. A file that cannot be fetched is reported; the others are still fetched.

    Args:
        suite: What is to be measured.
        systems: Names; default: the suite's.
        metrics: Names; default: the suite's.
        say: Takes one line per file (size, licence, origin), and one per file that is damaged or cannot be fetched.
        progress: Called for every file.
    """
    measured = suite.metrics if metrics is None else resolve_metrics(metrics)
    cards = [registry.card("systems", name) for name in (suite.systems if systems is None else systems)]
    cards += [metric_card(name) for name in measured]
    cards += [synthesizer_card(suite.synthesizer)] if suite.speech else []
    # Weights of components whose packages are absent are not fetched.
    names = list(dict.fromkeys(name for card in cards if not missing_packages(card) for name in card.weights))
    absent = []
    for name in names:
        try:
            absent += [] if weights.present(name) else [name]
        except RequestError as error:  # the file exists, but its hash is wrong
            say(str(error))
    if absent:
        say(f"to fetch: {sum(weights.entry_of(name).bytes for name in absent) / 1e6:.0f} MB")
    for name in absent:
        say(weights.described(name))
    for name in absent:
        try:
            weights.fetch(name, progress)
        except RequestError as error:
            say(str(error))


def _with_stand_ins(suite: Suite, names: Sequence[str], unusable: Mapping[str, str]) -> list[str]:
    """The usable metrics; an unusable one is replaced by its stand-in in the suite, if the stand-in is usable."""
    candidates = [suite.stand_ins.get(name, name) if name in unusable else name for name in names]
    return [name for name in dict.fromkeys(candidates) if name not in unusable and not why_not("metrics", name)]


def _unusable(kind: Literal["systems", "metrics"], names: Sequence[str]) -> dict[str, str]:
    return {name: why for name in names if (why := why_not(kind, name))}
