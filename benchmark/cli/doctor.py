"""Checks the installation: packages of every component, weights, the data folder, and each suite's corpus."""

from __future__ import annotations

from restorebench.benchmark import registry, suite
from restorebench.benchmark.core import provenance
from restorebench.benchmark.data import weights
from restorebench.benchmark.data.corpora import fetch as corpora
from restorebench.benchmark.data.corpora.catalogue import CORPORA
from restorebench.benchmark.data.locations import data_folder
from restorebench.benchmark.data.weight_catalogue import CATALOGUE
from restorebench.benchmark.errors import RequestError, reason
from restorebench.benchmark.isolation import environments
from restorebench.benchmark.isolation.environments import Environment
from restorebench.benchmark.plan.planner import trials_of
from restorebench.benchmark.registry import missing_packages
from restorebench.benchmark.types import Table


def examine() -> list[Table]:
    """Tables of what is installed, what is missing, and how to get it."""
    return [_machine(), _components(), environments_table(), weights_table(), corpora_table(), _suites()]


def _machine() -> Table:
    facts = provenance.collect()
    rows = [("python", facts["python"]), ("platform", facts["platform"]), ("cores", str(facts["cores"]))]
    rows += [("commit", facts["commit"] or "installed package"), ("data folder", str(data_folder() or "none"))]
    rows += [("weights mirror", str(weights.mirror() or "none")), ("weights cache", str(weights.cache_folder()))]
    rows += sorted(facts["versions"].items())
    return Table("Machine", ("what", "value"), tuple(rows))


def _components() -> Table:
    rows = []
    kinds: tuple[registry.Kind, ...] = ("systems", "metrics", "corruptions")
    for kind in kinds:
        for name in registry.targets_by_name(kind):
            card = registry.card(kind, name)
            absent = missing_packages(card)
            fix = f"pip install 'restorebench[{card.extra}]'" if absent else ""
            rows.append((kind, name, f"missing: {', '.join(absent)}" if absent else "ok", fix))
    return Table("Components", ("kind", "name", "packages", "to do"), tuple(rows))


def named_environments() -> dict[Environment, list[str]]:
    """Environment -> names of the registered components that run in it."""
    kinds: tuple[registry.Kind, ...] = ("systems", "metrics")
    cards = [(name, registry.card(kind, name)) for kind in kinds for name in registry.targets_by_name(kind)]
    return environments.used_by((name, card.environment) for name, card in cards)


def environments_table() -> Table:
    """A table of the environments that components name or that the cache contains, with their sizes and users."""
    named, unused = named_environments(), {built.key: built for built in environments.installed()}
    rows = []
    for environment, users in named.items():
        built = unused.pop(environment.key, None)
        size = f"{built.bytes / 1e6:.0f} MB" if built else "not built yet (at the first use)"
        rows.append((environment.key, environment.shown, size, ", ".join(users)))
    for built in unused.values():
        state = "no component; to remove it, run: restorebench env --prune"
        rows.append((built.key, Environment(built.requirements).shown, f"{built.bytes / 1e6:.0f} MB", state))
    return Table("Environments of their own", ("key", "requirements", "size", "used by"), tuple(rows))


FETCH = ("to fetch absent files, run: restorebench data fetch NAME",)


def weights_table() -> Table:
    rows = []
    for name, entry in CATALOGUE.items():
        try:
            state = str(weights.present(name) or "absent")
        except RequestError as error:
            state = reason(error)
        rows.append((name, size(entry.bytes), entry.licence, state))
    return Table("Weights", ("name", "size", "licence", "where"), tuple(rows), FETCH)


def corpora_table() -> Table:
    rows = []
    for name, entry in CORPORA.items():
        folder = corpora.folder_of(name)
        state = (corpora.missing_files(entry, folder) or str(folder)) if folder.exists() else "absent"
        rows.append((name, size(entry.bytes), entry.licence, state))
    return Table("Corpora", ("name", "size", "licence", "where"), tuple(rows), FETCH)


def size(count: int) -> str:
    """A number of bytes with a readable unit, such as 1.2 MB."""
    unit, name = next((u, n) for u, n in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")) if count >= u or u == 1)
    return f"{count / unit:.3g} {name}"


def _suites() -> Table:
    rows = []
    for name in suite.known():
        definition = suite.load_suite(name)
        try:
            clips = len({t.utterance.id for t in trials_of(definition, None)})
            state = f"ready: {clips} clips"
        except RequestError as error:
            state = reason(error)
        rows.append((name, state, definition.corpus.needs))
    return Table("Suites", ("name", "state", "needs"), tuple(rows))
