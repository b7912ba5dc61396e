"""Cards of systems and metrics as tables: definition, origin, requirements and licences of a component."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from restorebench.benchmark.contracts import Card, MetricCard, SystemCard, Value
from restorebench.benchmark.data.weight_catalogue import CATALOGUE
from restorebench.benchmark.types import Table

COLUMNS = ("fact", "content")


def system_card(card: SystemCard, failures: Sequence[str] | None = None) -> Table:
    """The card of a system. failures: messages on the failures in a run; None if they are unknown."""
    return _table(
        card,
        [
            ("kind", _kind(card)),
            ("rate", f"{card.rate} Hz" if card.rate else "any"),
            ("parameters", f"{card.parameters:,}" if card.parameters else "not stated"),
            ("delay", f"{1000 * card.delay_s:g} ms, removed by the engine" if card.delay_s else "none"),
            ("stochastic", "yes; each clip has its own seed" if card.stochastic else "no"),
            ("paper or project", card.source),
            ("deviations from the paper", card.deviations or "nothing known"),
            ("trained on", _training(card)),
            ("training steps", f"{card.steps:,}" if card.steps else "not stated"),
            *(_run_elsewhere(card) if card.elsewhere else [("availability", _openness(card)), *_requirements(card)]),
            (
                "cost",
                f"{card.cost:g} s of one CPU core per second of audio" if card.cost else "negligible or not measured",
            ),
            ("known failures", "not checked" if failures is None else "; ".join(failures) or "none in this run"),
        ],
    )


def _kind(card: SystemCard) -> str:
    if card.kind == "anchor":
        return "anchor, supplied and not ranked"
    if card.kind == "published":
        return "finished audio of others"
    return "system, run in its owner's program" if card.elsewhere else "system, run by the benchmark"


def _run_elsewhere(card: SystemCard) -> list[tuple[str, str]]:
    return [("licence of the code", card.licence), ("how to run it", card.elsewhere)]


def metric_card(card: MetricCard) -> Table:
    """The card of a metric."""
    return _table(
        card,
        [
            ("definition", card.definition),
            *((f"value {value.name}", _value(value)) for value in card.values),
            ("needs", ", ".join(sorted(card.needs)) or "the sound alone"),
            ("input level", "does not matter" if card.invariant_to_gain else "may matter"),
            (
                "rate and length",
                "resampled, and cut or padded, to match the reference" if card.conforms else "scored as delivered",
            ),
            ("source", card.source),
            *_requirements(card),
        ],
    )


def _table(card: Card, facts: Iterable[tuple[str, str]]) -> Table:
    rows = [("summary", card.summary), ("version", str(card.version)), *facts]
    return Table(card.name, COLUMNS, tuple(rows))


def _requirements(card: Card) -> list[tuple[str, str]]:
    """Rows on licence, weights, packages and environment."""
    weights = "; ".join(_weights(name) for name in card.weights)
    return [
        ("licence of the code", card.licence),
        ("weights", weights or _unlisted(card)),
        ("packages", _packages(card)),
        ("environment", "its own, built at the first use" if card.environment else "this one"),
    ]


def _packages(card: Card) -> str:
    if card.environment:
        first, *more = card.environment
        return f"{first} and {len(more)} more, all pinned" if more else f"{first}, pinned"
    return ", ".join(card.packages) or "only those of restorebench itself"


def _weights(name: str) -> str:
    if name not in CATALOGUE:  # the store was written by another version
        return f"{name} (not in this version's catalogue)"
    entry = CATALOGUE[name]
    size = f"{entry.bytes / 1e6:.1f} MB, " if entry.bytes else ""
    digest = f", sha256 {entry.sha256[:12]}" if entry.sha256 else ""
    return f"{name} ({size}{entry.licence}{digest})"


def _training(card: SystemCard) -> str:
    lines = []
    for corpus in card.training:
        facts = [f"{corpus.recordings} recordings"] if corpus.recordings is not None else []
        facts += [f"{corpus.hours:.1f} h"] if corpus.hours is not None else []
        facts += [f"{len(corpus.speakers)} speakers"] if corpus.speakers else []
        facts += corpus.licences
        lines.append(f"{corpus.corpus} ({', '.join(facts)})" if facts else corpus.corpus)
    return "; ".join(lines) or ("not stated" if card.kind == "system" else "nothing")


def _unlisted(card: Card) -> str:
    """Where a component has its weights if its card names none in the catalogue."""
    if not isinstance(card, SystemCard) or card.kind != "system":
        return "none"
    if card.checkpoint:
        return "in a checkpoint that the user names"
    return f"in this package ({card.licence})" if card.parameters or card.training else "none"


def _openness(card: SystemCard) -> str:
    """Which of the code, the weights and the training data are public."""
    if card.kind != "system":
        return "not a model"
    weights = "public" if card.weights else _unlisted(card)
    return f"code: {card.licence}; weights: {weights}; training data: {'listed' if card.training else 'not listed'}"


def _value(value: Value) -> str:
    low, high = value.range
    bounds = (
        [f"{low:g} to {high:g}"] if isfinite(low) and isfinite(high) else [f"from {low:g}"] if isfinite(low) else []
    )
    margin = [f"non-inferiority margin {value.margin:g}"] if value.margin is not None else []
    ideal = [f"{value.ideal:g} for a reference against itself"] if value.ideal is not None else []
    pooled = ["the sum of all clips' counts divided by the sum of their totals"] if value.reduction == "rate" else []
    return ", ".join(
        [f"{value.label} in {value.unit}", f"{value.direction} is better", *bounds, *pooled, *ideal, *margin]
    )
