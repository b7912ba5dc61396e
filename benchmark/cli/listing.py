"""Tables of `restorebench list`: the names of components, then facts from their cards."""

from __future__ import annotations

import re
from dataclasses import replace

from restorebench.benchmark import registry, suite
from restorebench.benchmark.components import metric_card, system_of, why_not
from restorebench.benchmark.conformance import sensitivity as sensitivities
from restorebench.benchmark.contracts import Card, MetricCard, SynthesizerCard, SystemCard
from restorebench.benchmark.core.progress import Progress
from restorebench.benchmark.data.weights import entry_of
from restorebench.benchmark.types import Table
from restorebench.reports.papers import published
from restorebench.reports.papers.decisions import decisions_table
from restorebench.reports.tables import cards


def table(kind: str) -> Table:
    """The table for one kind of `restorebench list`, such as `systems`."""
    makers = {
        "systems": _systems,
        "metrics": _metrics,
        "corruptions": _corruptions,
        "synthesizers": _synthesizers,
        "suites": _suites,
        "papers": _papers,
        "decisions": decisions_table,
    }
    return makers[kind]()


def card(name: str) -> Table:
    """The card of a system, a metric or the metric of a value. Raises RequestError for an unknown name."""
    systems, metrics = registry.targets_by_name("systems"), registry.targets_by_name("metrics")
    values = {value.name: metric for metric in metrics for value in metric_card(metric).values}
    if (name := values.get(name, name)).partition(":")[0] in metrics:
        return cards.metric_card(metric_card(name))
    if re.split("[:@?]", name)[0] not in systems:
        raise registry.unknown("system or metrics", name, sorted({*systems, *metrics, *values}))
    why = why_not("systems", name) if name in systems else ""
    known_card = registry.card("systems", name) if why else system_of(name).card
    assert isinstance(known_card, SystemCard)
    return replace(cards.system_card(known_card), notes=(f"cannot be used here: {why}",) if why else ())


def sensitivity(progress: Progress) -> Table:
    """A table of how level, delay, rate and length change the scores of the metrics that can be measured here."""
    names = [name for name, metric in _cards("metrics") if isinstance(metric, MetricCard)]
    why = {name: reason for name in names if (reason := _unmeasured(name))}
    rows, failed = sensitivities.sensitivities([n for n in names if n not in why], progress)
    return sensitivities.table(rows, why | failed)


def _unmeasured(name: str) -> str:
    """Why the sensitivity of a metric is not measured; "" if it is."""
    unmeasured = metric_card(name)
    if "seconds" in unmeasured.needs:
        return "it measures the processing time of a system"
    if unmeasured.environment:
        return "it runs in an environment of its own"
    return why_not("metrics", name)


def _cards(kind: registry.Kind) -> list[tuple[str, Card]]:
    return [(name, registry.card(kind, name)) for name in registry.targets_by_name(kind)]


def _systems() -> Table:
    rows = []
    for name, card in _cards("systems"):
        assert isinstance(card, SystemCard)
        why = why_not("systems", name)
        if not why:  # the card of the created system includes facts from its checkpoint
            card = system_of(name).card
        rate = f"{card.rate} Hz" if card.rate else "any"
        trained = ", ".join(dict.fromkeys(corpus.corpus for corpus in card.training))
        weights = ", ".join(f"{weight} ({entry_of(weight).licence})" for weight in card.weights)
        here = why.partition(";")[0] or "yes"
        facts = (card.kind, rate, here, weights, card.licence, trained, card.source, card.deviations, card.summary)
        rows.append((name, *facts))
    details = ("kind", "rate", "weights", "licence", "trained on", "source", "otherwise than its paper")
    columns = (*("name", "kind", "rate", "runs here"), *details[2:], "summary")
    return Table("Systems", columns, tuple(rows), details=details)


def _metrics() -> Table:
    rows = []
    for name, card in _cards("metrics"):
        assert isinstance(card, MetricCard)
        values = " ".join(value.name for value in card.values)
        directions = " ".join(dict.fromkeys(value.direction for value in card.values))
        rows.append((name, values, directions, ", ".join(sorted(card.needs)), str(card.version), card.summary))
    columns = ("name", "values", "better", "needs", "version", "summary")
    return Table("Metrics", columns, tuple(rows), details=("values", "version"))


def _corruptions() -> Table:
    rows = tuple((name, str(card.version), card.source, card.summary) for name, card in _cards("corruptions"))
    return Table("Corruptions", ("name", "version", "source", "summary"), rows, details=("version", "source"))


def _synthesizers() -> Table:
    rows = []
    for name, card in _cards("synthesizers"):
        assert isinstance(card, SynthesizerCard)
        facts = (f"{card.rate} Hz", " ".join(card.languages), "yes" if card.clones else "no", card.licence)
        rows.append((name, *facts, card.source, card.summary))
    columns = ("name", "rate", "languages", "clones", "licence", "source", "summary")
    return Table("Synthesizers", columns, tuple(rows), details=("licence", "source"))


def _suites() -> Table:
    rows = []
    for name in suite.known():
        definition = suite.load_suite(name)
        rows.append((name, str(definition.version), definition.corpus.needs, definition.summary))
    return Table("Suites", ("name", "version", "needs", "summary"), tuple(rows), details=("version", "needs"))


def _papers() -> Table:
    columns = ("paper", "table", "test_set", "system", "variant", "metric", "value", "ci95")
    cells = published.cells()
    rows = tuple(
        tuple("" if (field := getattr(cell, name)) is None else str(field) for name in columns) for cell in cells
    )
    return Table("Published cells", columns, rows)
