"""Lazy names for components: nothing is imported until it is asked for by name.

Built-in components stand in the `BUILTIN` table of their folder (one line beside the new file); other packages add
theirs through the entry-point groups `restorebench.systems`, `.metrics`, `.corruptions`, `.synthesizers`, `.suites`.
A name may carry an argument after a colon: `published:VoiceFixer` calls the factory with "VoiceFixer". A system's name
may carry a checkpoint after an @, and options after a question mark: `masksr2-s@FILE?guidance=0.5` calls the factory
with `checkpoint=Path("FILE")` and `options={"guidance": "0.5"}`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from restorebench.benchmark.contracts import Card
from restorebench.benchmark.errors import RequestError

Kind = Literal["systems", "metrics", "corruptions", "synthesizers", "corpora"]

BUILTIN_TABLES: dict[str, str] = {
    "systems": "restorebench.systems",
    "metrics": "restorebench.metrics",
    "corruptions": "restorebench.corruptions",
    "corpora": "restorebench.benchmark.data.corpora",
}


@cache
def table(kind: Kind) -> dict[str, str]:
    """Every known name of a kind, with its target "module:attribute"."""
    targets: dict[str, str] = {}
    if folder := BUILTIN_TABLES.get(kind):
        builtin: dict[str, str] = importlib.import_module(folder).BUILTIN
        targets.update({name: f"{folder}.{target}" for name, target in builtin.items()})
    for point in entry_points(group=f"restorebench.{kind}"):
        if point.name in targets:
            raise RequestError(
                f"{kind}: {point.value} wants the name {point.name!r}, which {targets[point.name]} has; rename one"
            )
        targets[point.name] = point.value
    return dict(sorted(targets.items()))


def unknown(kind: str, name: str, names: list[str]) -> RequestError:
    """The error for a name that is not there, with the nearest ones that are."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
    return RequestError(f"no {kind.rstrip('s')} named {name!r}; {hint}")


def split(kind: Kind, name: str) -> tuple[str, dict[str, Any]]:
    """(name in the table, what the factory is called with)."""
    given: dict[str, Any] = {}
    if kind == "systems":
        name, asked, options = name.partition("?")
        given |= {"options": dict(pair.partition("=")[::2] for pair in options.split("&"))} if asked else {}
        whole = name
        name, at, checkpoint = name.partition("@")
        if "/" in name:  # published:DIR, and the sign is of the folder's name
            name, at = whole, ""
        given |= {"checkpoint": Path(checkpoint)} if at else {}
    base, colon, argument = name.partition(":")
    return base, given | ({"argument": argument} if colon else {})


def find(kind: Kind, name: str) -> Any:
    """The class or factory behind a name, without its argument. Raises RequestError naming the nearest names."""
    base, _ = split(kind, name)
    known = table(kind)
    if base not in known:
        raise unknown(kind, name, list(known))
    module, _, attribute = known[base].partition(":")
    return getattr(importlib.import_module(module), attribute)


def card(kind: Kind, name: str) -> Card:
    """The card of a component, without making the component."""
    found: Card = find(kind, name).card
    return found


def require(kind: Kind, name: str) -> None:
    """Raises RequestError when a component's packages are absent, with the command that installs them."""
    facts = getattr(find(kind, name), "card", None)  # corpus readers need no packages and have no card
    if facts is None:
        return
    if absent := missing_packages(facts):
        command = f"pip install 'restorebench[{facts.extra}]'" if facts.extra else f"pip install {' '.join(absent)}"
        raise RequestError(f"{kind.rstrip('s')} {name} needs {', '.join(absent)}, not installed; run: {command}")


def create(kind: Kind, name: str, **options: Any) -> Any:
    """A new component; the part of the name after a colon is its first argument, that after an @ its checkpoint."""
    require(kind, name)
    _, given = split(kind, name)
    factory = find(kind, name)
    positional = [given.pop("argument")] if "argument" in given else []
    try:
        return factory(*positional, **given, **options)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{kind.rstrip('s')} {name}: {error}; see `restorebench list {kind}`") from error


def missing_packages(card: Card) -> list[str]:
    """The distributions of a card that are not installed."""
    return [name for name in card.packages if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
