"""Options and output that commands share."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.benchmark.core.text import printable

if TYPE_CHECKING:
    from restorebench.benchmark.plan.plan import Plan
    from restorebench.benchmark.store.store import Store
    from restorebench.benchmark.types import Table


class Format(StrEnum):
    terminal = "terminal"
    md = "md"
    csv = "csv"
    html = "html"
    json = "json"
    latex = "latex"


class BoardFormat(StrEnum):
    """Every format of tables, and the files for the Hugging Face Hub. An enumeration cannot extend another one."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    html = "html"
    json = "json"
    latex = "latex"
    hf_eval_results = "hf-eval-results"
    hf_eval_yaml = "hf-eval-yaml"


class Profile(StrEnum):
    embedded = "embedded"
    paper = "paper"


class Listed(StrEnum):
    systems = "systems"
    metrics = "metrics"
    corruptions = "corruptions"
    synthesizers = "synthesizers"
    suites = "suites"
    papers = "papers"
    decisions = "decisions"


Names = Annotated[str, typer.Option(help="Comma-separated names.")]
Synthesizer_ = Annotated[str, typer.Option(help="In a suite with speech: synthesizer for the restored prompts.")]
Store_ = Annotated[Path, typer.Option(help="Folder of results; made when absent.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N clips of the corpus.")]
Workers_ = Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one per core.")]
Profile_ = Annotated[Profile, typer.Option(help="Default metrics: those that run anywhere, or the papers' scorers.")]
Format_ = Annotated[Format, typer.Option("--format", help="Output format.")]
Wide = Annotated[bool, typer.Option("--wide", help="On a terminal: every column, whatever its width.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="On a terminal: signatures and other small print too.")]


def _names(text: str) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] or None


def _workers(count: int | None) -> int:
    from restorebench.benchmark.core.pool import default_workers

    return count or default_workers()


def _print(tables: list[Table], form: Format, wide: bool = False, verbose: bool = False) -> None:
    from restorebench.reports.formats import FORMATS
    from restorebench.reports.terminal import terminal

    text = terminal(tables, wide, verbose) if form is Format.terminal else FORMATS[form.value](tables)
    sys.stdout.write(writable(text, sys.stdout.encoding or "utf-8"))


PLAIN: dict[str, str | int | None] = {
    "↑": "^",
    "↓": "v",
    "⚓": "#",
    "‡": "++",
    "■": "=",
    "▪": "=",
    "–": "-",
    "─": "-",
    "×": "x",
    "§": "section ",
    "…": "...",
}
"""Replacements for characters that are not in the encoding of an output."""


def writable(text: str, encoding: str) -> str:
    """The text; if the encoding lacks one of its characters, with `PLAIN` applied and question marks for the rest.

    >>> writable("OVL ↑ 2.9 – é", "ascii")
    'OVL ^ 2.9 - ?'
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text.translate(str.maketrans(PLAIN))
        return plain.encode(encoding, errors="replace").decode(encoding)
    return text


def _print_result(text: str) -> None:
    """Prints a line of a result to standard output."""
    typer.echo(writable(printable(text), sys.stdout.encoding or "utf-8"))


def _print_status(text: str) -> None:
    """Prints to standard error."""
    typer.echo(printable(text), err=True)


def _stored_plan(store: Path, suite: str) -> tuple[Store, Plan]:
    """The opened store and its plan of a suite; by default, of the latest suite."""
    from restorebench.benchmark.store.store import open_store, plan_of

    opened = open_store(store)
    return opened, plan_of(opened, suite)
