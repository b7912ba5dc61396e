"""Looks up systems, synthesizers and metrics by name, and gives the reason if one cannot be used here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from restorebench.benchmark import registry
from restorebench.benchmark.contracts import Card, MetricCard, Supplied, Synthesizer, SynthesizerCard, System
from restorebench.benchmark.data import weights
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.registry import missing_packages


def require_weights(cards: Sequence[Card]) -> None:
    """Raises RequestError, with the fetch command, when weights that the cards name are not on this machine."""
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
    if (argument := getattr(card, "argument", "")) and ":" not in name:
        return f"its name needs an argument: {name}:{argument}"
    if getattr(card, "checkpoint", False) and "@" not in name:
        return f"no public weights exist; name a checkpoint: {name}@FILE"
    if elsewhere := getattr(card, "elsewhere", ""):
        return f"RestoreBench does not run it; {elsewhere}; outputs that you have: published:{name}@FOLDER"
    if getattr(card, "imported", False):
        return f"its scores can only be imported: restorebench score --import FILE --metric {name} --store STORE"
    lacking = [w for w in card.weights if weights.present(w) is None]
    return f"its weights are not here; run: restorebench data fetch {' '.join(lacking)}" if lacking else ""


@cache
def system_of(name: str) -> System | Supplied:
    """The system or supplier of a name, made once per process. Making it loads no weights."""
    component: System | Supplied = registry.create("systems", name)
    return component


@cache
def synthesizer_of(name: str) -> Synthesizer:
    """The synthesizer of a name, made once per process. Making it loads no weights."""
    synthesizer: Synthesizer = registry.create("synthesizers", name)
    return synthesizer


def synthesizer_card(name: str) -> SynthesizerCard:
    """The card of a synthesizer. With an argument or a checkpoint, it is the card of the created object."""
    arguments = registry.parse_name("synthesizers", name)[1]
    card = synthesizer_of(name).card if arguments else registry.card("synthesizers", name)
    assert isinstance(card, SynthesizerCard)
    return card


def metric_card(name: str) -> MetricCard:
    """The card of a metric. A metric with an argument after a colon is created first, as its card depends on that."""
    card = registry.create("metrics", name).card if ":" in name else registry.card("metrics", name)
    assert isinstance(card, MetricCard)
    return card


def resolve_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Metric names for metric or value names (`dnsmos.ovl` means `dnsmos`). Raises RequestError for what is unknown."""
    known = registry.targets_by_name("metrics")
    if any(name.partition(":")[0] not in known for name in names):
        by_value = {v.name: metric for metric in known for v in metric_card(metric).values}
        for name in names:
            if name.partition(":")[0] not in known and name not in by_value:
                raise registry.unknown("metrics", name, sorted({*known, *by_value}))
        names = [name if name.partition(":")[0] in known else by_value[name] for name in names]
    for name in names:
        registry.require("metrics", name)
    return tuple(dict.fromkeys(names))


def runnable_system(name: str) -> System:
    """The system of a name, with its weights fetched. Raises RequestError for an anchor or finished audio."""
    component = system_of(name)
    if not isinstance(component, System):
        names = ", ".join(runnable_system_names())
        raise RequestError(f"{name} is supplied, not run: it cannot process a new sound; name one of: {names}")
    for weight in component.card.weights:
        weights.fetch(weight)
    return component


def is_synthesizer(name: str) -> bool:
    """Whether a name is registered for a synthesizer and not for a system."""
    base = registry.parse_name("synthesizers", name)[0]
    return base in registry.targets_by_name("synthesizers") and base not in registry.targets_by_name("systems")


def runnable_synthesizer(name: str) -> Synthesizer:
    """The synthesizer of a name, with its weights fetched. Raises RequestError."""
    synthesizer = synthesizer_of(name)
    for weight in synthesizer.card.weights:
        weights.fetch(weight)
    return synthesizer


def runnable_system_names() -> list[str]:
    """Names of the systems that process new sound; anchors and finished audio are left out."""
    return [
        n for n in registry.targets_by_name("systems") if getattr(registry.card("systems", n), "kind", "") == "system"
    ]
