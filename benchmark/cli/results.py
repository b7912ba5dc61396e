"""Commands on stores: board, compare, trend, log, report, notebook, ledger, store merge, submit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from restorebench.benchmark.cli.options import (
    BoardFormat,
    Format,
    Format_,
    Names,
    Verbose,
    Wide,
    _names,
    _print,
    _print_result,
    _print_status,
    _stored_plan,
)
from restorebench.benchmark.errors import RequestError

app = typer.Typer()
store_app = typer.Typer(help="Stores of results: merge those of several machines.", no_args_is_help=True)


submit_app = typer.Typer(help="Share results as one file: pack a store, check a pack.", no_args_is_help=True)


@app.command(epilog="Example: restorebench board demo-store --against masksr2 --format md")
def board(
    stores: Annotated[
        list[Path],
        typer.Argument(
            metavar="STORE", readable=False, help="Folder that `run` filled, or a pack; several are joined."
        ),
    ],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    against: Annotated[str | None, typer.Option(help="Paper to compare with: masksr2 or sise.")] = None,
    form: Annotated[BoardFormat, typer.Option("--format", help="Output format.")] = BoardFormat.terminal,
    dataset: Annotated[str, typer.Option(help="For hf-eval-results: OWNER/NAME of the benchmark on the Hub.")] = "",
    system: Annotated[str, typer.Option(help="For hf-eval-results: the row of the model.")] = "",
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """Print the board of a store, or of several stores and packs; with --against, beside the published cells.

    For the Hugging Face Hub: hf-eval-results prints a file for a model's folder .eval_results, and hf-eval-yaml prints
    the file eval.yaml of the benchmark's dataset.
    """
    from restorebench.benchmark.store.joined import joined

    with joined(stores) as (store, notes):
        if form is BoardFormat.hf_eval_results:
            _hub_results(store.root, suite, dataset, system, notes)
        elif dataset or system:
            raise RequestError("--dataset and --system belong to --format hf-eval-results; leave them out")
        elif form is BoardFormat.hf_eval_yaml:
            _hub_benchmark(store.root, suite)
        else:
            _board(store.root, suite, against, Format(form.value), wide, verbose, notes=notes)


@app.command(epilog="Example: restorebench compare demo-store dtln gtcrn")
def compare(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    first: Annotated[str, typer.Argument(metavar="A", help="A system of the store.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another system of the store.")],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    form: Format_ = Format.terminal,
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """Show which of two systems is better on their common clips, and by how much, with intervals and p."""
    from restorebench.benchmark.analysis.board import board as make_board
    from restorebench.reports.tables.compare import report as compare_tables

    opened, plan = _stored_plan(store, suite)
    _print(compare_tables(make_board(plan, opened), first, second), form, wide, verbose)


@app.command(epilog="Example: restorebench trend results --values dnsmos.ovl")
def trend(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run --checkpoints` filled.")],
    values: Names = "",
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    form: Format_ = Format.terminal,
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """Show how a system's scores change over its checkpoints: means, changes on the same clips, shifts."""
    from restorebench.benchmark.analysis.board import board as make_board
    from restorebench.reports.tables.trend import trends

    opened, plan = _stored_plan(store, suite)
    _print(trends(make_board(plan, opened), _names(values)), form, wide, verbose)


@app.command(epilog="Example: restorebench log demo-store --to tensorboard,mlflow --out logs")
def log(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    to: Annotated[str, typer.Option(help="Comma-separated trackers: tensorboard, mlflow, wandb, trackio.")],
    out: Annotated[Path, typer.Option(help="Folder in which the trackers keep their files.")] = Path("logs"),
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
) -> None:
    """Write the board's values to experiment trackers, with the training step of each checkpoint."""
    from restorebench.benchmark.analysis.board import board as make_board
    from restorebench.reports.trackers import tracker
    from restorebench.reports.trackers.runs import tracked_runs

    chosen = {name: tracker(name) for name in _names(to) or ()}
    if not chosen:
        raise RequestError("--to names no tracker; wanted tensorboard, mlflow, wandb or trackio")
    opened, plan = _stored_plan(store, suite)
    runs = tracked_runs(make_board(plan, opened))
    for name, write in chosen.items():
        _print_status(f"{name}: {len(runs)} runs in {write(runs, out / name)}")


@app.command(epilog="Example: restorebench report demo-store --out demo-report")
def report(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; an earlier report in it is replaced.")],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    clips: Annotated[int, typer.Option(min=0, help="Number of clips with sounds in the report.")] = 60,
) -> None:
    """Write an HTML report: leaderboard, clips to listen to, breakdowns, failures. It opens from disk, offline."""
    from restorebench.benchmark.analysis.board import board_of
    from restorebench.benchmark.core import provenance
    from restorebench.benchmark.core.outputs import require_folder
    from restorebench.benchmark.core.progress import show
    from restorebench.benchmark.run.cost import costs_of
    from restorebench.benchmark.run.score import versions_of_clip
    from restorebench.benchmark.store.records import planned_records
    from restorebench.reports.html.site import report as write_report

    require_folder(out)
    opened, plan = _stored_plan(store, suite)
    facts = {name: str(fact) for name, fact in provenance.collect().items() if isinstance(fact, str | int)}
    facts |= {f"version of {name}": number for name, number in provenance.versions().items()}
    records = planned_records(plan, opened)
    sounds, costs = versions_of_clip(opened, plan), costs_of(opened, plan)
    page = write_report(board_of(plan, records), records, sounds, facts, costs, out, show, clips)
    _print_status(f"report: {page}")


@app.command(epilog="Example: restorebench notebook demo-store --out demo.ipynb")
def notebook(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    out: Annotated[Path, typer.Option(help="The .ipynb file to write; it is executed.")],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
) -> None:
    """Write an executed notebook with the tables and plots of a store, for further analysis."""
    from restorebench.benchmark.core.outputs import require_file
    from restorebench.reports.notebook import notebook as write_notebook

    require_file(out)
    _, plan = _stored_plan(store, suite)
    write_notebook(store, plan.suite.name, out)
    _print_status(f"notebook: {out}")


@app.command(epilog="Example: restorebench ledger demo-store --format csv > ledger.csv")
def ledger(
    stores: Annotated[list[Path] | None, typer.Argument(readable=False, help="Folders that `run` filled.")] = None,
    form: Format_ = Format.terminal,
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """List every published cell with its verdict or what is missing to measure it, and the papers' claims."""
    from restorebench.benchmark.analysis.board import board as make_board
    from restorebench.benchmark.store.store import open_store
    from restorebench.reports.papers.ledger import ledger as list_cells

    opened = [open_store(store) for store in stores or ()]
    boards = [make_board(plan, store) for store in opened for plan in store.plans()]
    _print(list_cells(boards), form, wide, verbose)


def _board(
    store: Path,
    suite: str,
    against: str | None,
    form: Format,
    wide: bool,
    verbose: bool,
    page: Path | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Prints a board with further notes. page: HTML file to which the board is also written."""
    from restorebench.benchmark.analysis.board import board as make_board
    from restorebench.benchmark.core.atomic import write_atomic
    from restorebench.reports.formats import FORMATS
    from restorebench.reports.papers import verdicts
    from restorebench.reports.tables import board as tables
    from restorebench.reports.tables.in_words import in_words

    opened, plan = _stored_plan(store, suite)
    new_board = make_board(plan, opened)
    for_programs = form in (Format.csv, Format.json)
    if against:
        shown = (verdicts.against_long if for_programs else verdicts.against)(new_board, against)
    else:
        shown = (tables.long if for_programs else tables.results)(new_board)
    if page:
        write_atomic(
            page, FORMATS[Format.html](tables.results(new_board) if for_programs or against else shown).encode()
        )
    _print([replace(table, notes=(*notes, *table.notes)) for table in shown], form, wide, verbose)
    if form is Format.csv:  # CSV has no place for notes
        for note in notes:
            _print_status(note)
    if not against and form is Format.terminal:
        for sentence in in_words(new_board):
            _print_result(sentence)


def _hub_benchmark(store: Path, suite: str) -> None:
    from restorebench.benchmark.analysis.board import board as make_board
    from restorebench.reports.hub import eval_yaml

    opened, plan = _stored_plan(store, suite)
    typer.echo(eval_yaml(make_board(plan, opened)), nl=False)


def _hub_results(store: Path, suite: str, dataset: str, system: str, notes: Sequence[str]) -> None:
    from restorebench.benchmark.analysis.board import board as make_board
    from restorebench.reports.hub import eval_results

    opened, plan = _stored_plan(store, suite)
    text, left_out = eval_results(make_board(plan, opened), dataset, system)
    typer.echo(text, nl=False)
    for note in notes:
        _print_status(note)
    for value in left_out:
        _print_status(f"not listed: {value}")


@submit_app.command("pack", epilog="Example: restorebench submit pack results --out our-model.rbz")
def submit_pack(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    out: Annotated[Path, typer.Option(help="The file to write, NAME.rbz.")],
    audio: Annotated[bool, typer.Option("--audio", help="Include the degraded and restored sounds.")] = False,
) -> None:
    """Write records, cards, signatures and cost of a store into one file, with the sha256 of each part."""
    from restorebench.benchmark.core.outputs import require_file
    from restorebench.benchmark.core.progress import show
    from restorebench.benchmark.store.pack import pack

    require_file(out)
    _print_status(f"{out}: sha256 {pack(store, out, audio, show)}; publish this number beside the file")


@submit_app.command("check", epilog="Example: restorebench submit check our-model.rbz")
def submit_check(
    packs: Annotated[list[Path], typer.Argument(readable=False, help="Files that `submit pack` wrote.")],
) -> None:
    """Check that packs are complete and unchanged, and show their contents. The results remain self-reported."""
    from tempfile import TemporaryDirectory

    from restorebench.benchmark.store.pack import contents

    for file in packs:
        with TemporaryDirectory(prefix="restorebench-") as folder:
            packed = contents(file, Path(folder))
        _print_status(f"{file}: complete, sha256 {packed.sha256}")
        _print_status(f"  {', '.join(packed.suites)}; {', '.join(packed.systems)}")
        _print_status(
            f"  {packed.values} values, {packed.failed} failed, {packed.missing} not measured, {packed.sounds} sounds"
        )


@store_app.command("merge", epilog="Example: restorebench store merge part-1 part-2 --out results")
def store_merge(
    stores: Annotated[list[Path], typer.Argument(readable=False, help="Stores, such as those of `run --shard`.")],
    out: Annotated[Path, typer.Option(help="The store to write; an existing store is extended.")],
) -> None:
    """Merge stores into one. If a clip has a result in one store and a failure in another, the result is kept."""
    from restorebench.benchmark.core.progress import show
    from restorebench.benchmark.run.execute import write_tables
    from restorebench.benchmark.store.merge import merge

    merged = merge(stores, out, show)
    write_tables(merged)
    _print_status(f"merged {len(stores)} stores into {out}; next: restorebench board {out}")
