"""Commands about the installation: list, doctor, env, data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restorebench.benchmark.cli.options import Format, Format_, Listed, Verbose, Wide, _print, _print_status
from restorebench.benchmark.errors import RequestError

app = typer.Typer()


data_app = typer.Typer(help="List and fetch corpora and weights.", no_args_is_help=True)


@app.command("list", epilog="Example: restorebench list metrics --format csv")
def list_(
    what: Annotated[Listed | None, typer.Argument(help="What to list; default: all but papers and decisions.")] = None,
    sensitivity: Annotated[
        bool,
        typer.Option("--sensitivity", help="For metrics: measure how level, delay, rate and length change scores."),
    ] = False,
    form: Format_ = Format.terminal,
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """List systems, metrics, corruptions, synthesizers, suites, published cells, or our decisions on the papers."""
    from restorebench.benchmark.cli import listing

    if sensitivity:
        if what is not Listed.metrics:
            raise RequestError("--sensitivity works only for metrics; run: restorebench list metrics --sensitivity")
        from restorebench.benchmark.core.progress import show

        _print([listing.sensitivity(show)], form, wide, verbose)
        return
    kinds = [what.value] if what else [kind.value for kind in Listed if kind not in (Listed.papers, Listed.decisions)]
    _print([listing.table(kind) for kind in kinds], form, wide, verbose)


@app.command(epilog="Example: restorebench card gtcrn --format md")
def card(
    name: Annotated[str, typer.Argument(help="A system, such as masksr@FILE, or a metric.")],
    form: Format_ = Format.terminal,
    wide: Wide = False,
) -> None:
    """Show the card of a system or metric: what it is, where it is from, licences, training data, definition."""
    from restorebench.benchmark.cli import listing

    _print([listing.card(name)], form, wide)


@app.command(epilog="Example: restorebench doctor")
def doctor(form: Format_ = Format.terminal, wide: Wide = False) -> None:
    """Show what is installed, which weights and corpora are here, and how to get what is missing."""
    from restorebench.benchmark.cli.doctor import examine

    _print(examine(), form, wide)


@app.command(epilog="Example: restorebench env --prune")
def env(
    prune: Annotated[bool, typer.Option("--prune", help="Remove environments that no component uses.")] = False,
    form: Format_ = Format.terminal,
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """Show the separate environments of components with conflicting packages; each is built at its first use."""
    from restorebench.benchmark.cli.doctor import environments_table, named_environments
    from restorebench.benchmark.isolation import environments

    if prune:
        for key in environments.prune(named_environments()):
            _print_status(f"removed {key}")
    _print([environments_table()], form, wide, verbose)


@data_app.command("fetch", epilog="Example: restorebench data fetch gtcrn librispeech-test-clean")
def data_fetch(
    names: Annotated[list[str], typer.Argument(help="Weights and corpora (see `restorebench data list`).")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder that contains the corpus or its archives.")
    ] = None,
) -> None:
    """Fetch weights or corpora: prints size and licence, resumes an interrupted download, checks the hash."""
    from restorebench.benchmark.core.progress import show
    from restorebench.benchmark.data import weights
    from restorebench.benchmark.data.corpora import fetch as corpora
    from restorebench.benchmark.data.corpora.catalogue import CORPORA

    names = [part for name in names for part in weights.expand(name)]
    if source and (len(names) > 1 or names[0] not in CORPORA):
        raise RequestError(f"--from takes one corpus, got {' '.join(names)}; known: {', '.join(CORPORA)}")
    for name in names:
        if name in CORPORA:
            corpus = corpora.entry_of(name)
            _print_status(
                f"{corpus.title}: {corpus.bytes / 1e9:.1f} GB, licence {corpus.licence}, to {corpora.folder_of(name)}"
            )
        else:
            _print_status(weights.described(name))
    for name in names:
        if name not in CORPORA:
            typer.echo(weights.fetch(name, show))
        else:
            typer.echo(corpora.import_copy(name, source, show) if source else corpora.fetch(name, show))


@data_app.command("list", epilog="Example: restorebench data list --format csv")
def data_list(form: Format_ = Format.terminal, wide: Wide = False) -> None:
    """List the corpora and weights that can be fetched: size, licence, and where they are."""
    from restorebench.benchmark.cli.doctor import corpora_table, weights_table

    _print([corpora_table(), weights_table()], form, wide)
