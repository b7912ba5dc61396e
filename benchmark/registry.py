"""Finds components by name. A component's module is imported only when that component is requested.

Built-in components are listed in `BUILTIN` in the `__init__.py` of their folder: a new one is a file and a line there.
Other packages add components through the entry-point groups `restorebench.systems`, `.metrics`, `.corruptions`,
`.synthesizers`, `.corpora`, `.trackers` (and suites through `.suites`, see suite.py).
A name may carry an argument after a colon: `published:VoiceFixer` calls the factory with "VoiceFixer". The name of a
system or synthesizer may carry a checkpoint after an @, and options after a question mark:
`masksr2-s@FILE?guidance=0.5` calls the factory with `checkpoint=Path("FILE")` and `options={"guidance": "0.5"}`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from restorebench.benchmark.contracts import Card
from restorebench.benchmark.errors import RequestError

Kind = Literal["systems", "metrics", "corruptions", "synthesizers", "corpora", "trackers"]

BUILTIN_PACKAGES: dict[str, str] = {
    "systems": "restorebench.systems",
    "metrics": "restorebench.metrics",
    "corruptions": "restorebench.corruptions",
    "synthesizers": "restorebench.systems.synthesizers",
    "corpora": "restorebench.benchmark.data.corpora",
    "trackers": "restorebench.reports.trackers",
}


@cache
def targets_by_name(kind: Kind) -> dict[str, str]:
    """Every known name of a kind, with its target "module:attribute"."""
    targets: dict[str, str] = {}
    if package := BUILTIN_PACKAGES.get(kind):
        builtin: dict[str, str] = importlib.import_module(package).BUILTIN
        targets.update({name: f"{package}.{target}" for name, target in builtin.items()})
    for point in entry_points(group=f"restorebench.{kind}"):
        if point.name in targets:
            raise RequestError(
                f"{kind}: the entry point {point.value} and {targets[point.name]} have the same name {point.name!r}; "
                "rename one"
            )
        targets[point.name] = point.value
    return dict(sorted(targets.items()))


def unknown(kind: str, name: str, names: list[str]) -> RequestError:
    """The error for an unknown name; its message suggests the most similar known names. kind: in the plural."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
    return RequestError(f"no {singular(kind)} named {name!r}; {hint}")


def singular(kind: str) -> str:
    """The singular of a kind's name, or of any other plural that ends in s."""
    return {"corpora": "corpus", "kinds of training": "kind of training"}.get(kind, kind.removesuffix("s"))


def parse_name(kind: Kind, name: str) -> tuple[str, dict[str, Any]]:
    """Splits a component's full name into its registered name and the factory's arguments.

    The arguments are `argument` (positional), `checkpoint` and `options` (by keyword), as far as the name has them.
    """
    arguments: dict[str, Any] = {}
    if kind == "systems" or (kind == "synthesizers" and ":" not in name):  # a synthesizer's argument is a folder
        name, question_mark, options = name.partition("?")
        arguments |= {"options": dict(pair.partition("=")[::2] for pair in options.split("&"))} if question_mark else {}
        before_options = name
        name, at_sign, checkpoint = name.partition("@")
        if "/" in name:  # a slash before the @, as in published:out/run@2: the @ belongs to the folder's name
            name, at_sign = before_options, ""
        arguments |= {"checkpoint": Path(checkpoint)} if at_sign else {}
    base, colon, argument = name.partition(":")
    return base, arguments | ({"argument": argument} if colon else {})


def find(kind: Kind, name: str) -> Any:
    """The class or factory that a name stands for; an argument, checkpoint or options in the name are ignored.

    Raises RequestError, which suggests similar names.
    """
    base, _ = parse_name(kind, name)
    known = targets_by_name(kind)
    if base not in known:
        raise unknown(kind, name, list(known))
    module, _, attribute = known[base].partition(":")
    return getattr(importlib.import_module(module), attribute)


def card(kind: Kind, name: str) -> Card:
    """The card of a component, without making the component."""
    known: Card = find(kind, name).card
    return known


def require(kind: Kind, name: str) -> None:
    """Raises RequestError when a component's packages are absent, with the command that installs them."""
    # Corpus readers need no packages and have no card.
    component_card = getattr(find(kind, name), "card", None)
    if component_card is None:
        return
    if absent := missing_packages(component_card):
        extra = component_card.extra
        command = f"pip install 'restorebench[{extra}]'" if extra else f"pip install {' '.join(absent)}"
        raise RequestError(f"{singular(kind)} {name} needs {', '.join(absent)}, not installed; run: {command}")


def create(kind: Kind, name: str, **keywords: Any) -> Any:
    """Makes a component.

    The factory's first argument is the part of `name` after a colon, its `checkpoint` the part after @, its `options`
    the part after ?. Keyword arguments are passed on. Raises RequestError for absent packages or a wrong argument.
    """
    require(kind, name)
    _, arguments = parse_name(kind, name)
    factory = find(kind, name)
    positional = [arguments.pop("argument")] if "argument" in arguments else []
    where = "benchmark/README.md" if kind == "corpora" else f"`restorebench list {kind}`"
    if fault := _misfit(factory, positional, {**arguments, **keywords}):
        raise RequestError(f"{singular(kind)} {name}: {fault}; see {where}")
    try:
        return factory(*positional, **arguments, **keywords)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{singular(kind)} {name}: {error}; see {where}") from error


def _misfit(factory: Callable[..., Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """Why a factory cannot be called with these arguments; "" if it can, or if it has no signature to read."""
    try:
        signature = inspect.signature(factory, follow_wrapped=False)
    except (TypeError, ValueError):
        return ""
    parameters = signature.parameters.values()
    known = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    takes = f"; it takes {', '.join(known)}" if known else ""
    takes_any = any(one.kind == one.VAR_KEYWORD for one in parameters)
    if not takes_any and (refused := sorted(keywords.keys() - set(known))):
        return f"takes no {' and no '.join(refused)}{takes}"
    if positional and not any(one.kind in (one.POSITIONAL_OR_KEYWORD, one.VAR_POSITIONAL) for one in parameters):
        return f"takes nothing after a colon (seen: {positional[0]})"
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        return f"{error}{takes}"
    return ""


def missing_packages(card: Card) -> list[str]:
    """The distributions of a card that are not installed."""
    return [name for name in card.packages if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
