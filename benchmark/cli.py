"""The command line. Each command is a thin layer over a function of the same name that Python can call.

Exit codes: 0 done, 1 the thing asked about failed, 2 the request cannot be carried out. Imports are inside the
commands, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from restorebench.benchmark.errors import AudioError, RequestError

if TYPE_CHECKING:
    from restorebench.benchmark.plan import Plan
    from restorebench.benchmark.store import Store
    from restorebench.benchmark.types import Table

app = typer.Typer(
    name="restorebench",
    help="Benchmark speech-restoration systems beside the papers' published numbers.\n\n"
    "Start with: restorebench run demo --store demo-store\n\n"
    "With any command: --offline fetches nothing, --debug shows the traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # Rich doubles the time of --help
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Corpora and weights: see what there is, fetch it.", no_args_is_help=True)
app.add_typer(data_app, name="data")


class Format(StrEnum):
    terminal = "terminal"
    md = "md"
    csv = "csv"
    html = "html"
    json = "json"
    latex = "latex"


class Profile(StrEnum):
    embedded = "embedded"
    paper = "paper"


class Listed(StrEnum):
    systems = "systems"
    metrics = "metrics"
    corruptions = "corruptions"
    suites = "suites"
    papers = "papers"


Names = Annotated[str, typer.Option(help="Comma-separated names.")]
Store_ = Annotated[Path, typer.Option(help="Folder of results; made when absent.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N clips of the corpus.")]
Workers_ = Annotated[int | None, typer.Option(min=1, help="Worker processes; default: one per core.")]
Profile_ = Annotated[Profile, typer.Option(help="Whose metrics: those that run anywhere, or the papers' own scorers.")]
Format_ = Annotated[Format, typer.Option("--format", help="How to print.")]


def _names(text: str) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] or None


def _workers(count: int | None) -> int:
    from restorebench.benchmark.pool import default_workers

    return count or default_workers()


def _print(tables: list[Table], form: Format) -> None:
    from restorebench.benchmark.registry import find

    sys.stdout.write(find("renderers", form.value)(tables))


def _say(text: str) -> None:
    typer.echo(text, err=True)


@app.command("list", epilog="Example: restorebench list metrics --format csv")
def list_(
    what: Annotated[Listed | None, typer.Argument(help="What to list; all kinds when left out.")] = None,
    form: Format_ = Format.terminal,
) -> None:
    """List systems, metrics, corruptions, suites, or every published cell of the papers."""
    from restorebench.benchmark import listing

    kinds = [what.value] if what else [kind.value for kind in Listed if kind is not Listed.papers]
    _print([listing.table(kind) for kind in kinds], form)


@app.command(epilog="Example: restorebench plan demo --systems unprocessed,dtln --store demo-store")
def plan(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a path to a .toml file.")],
    systems: Names = "",
    metrics: Names = "",
    store: Annotated[Path | None, typer.Option(help="Count what this store holds already.")] = None,
    profile: Profile_ = Profile.embedded,
    limit: Limit = None,
    form: Format_ = Format.terminal,
) -> None:
    """Show what a run would do: what is cached, what is missing, and about how long it takes."""
    from restorebench.benchmark.forecast import forecast
    from restorebench.benchmark.store import Store

    _print([forecast(_plan(suite, systems, metrics, limit, profile), Store(store) if store else None)], form)


@app.command(epilog="Example: restorebench run demo --store demo-store --systems unprocessed,gtcrn,target")
def run(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a path to a .toml file.")],
    store: Store_,
    systems: Names = "",
    metrics: Names = "",
    profile: Profile_ = Profile.embedded,
    limit: Limit = None,
    workers: Workers_ = None,
    retry_failed: Annotated[bool, typer.Option(help="Try clips again that failed in an earlier run.")] = False,
    form: Format_ = Format.terminal,
) -> None:
    """Degrade, restore and score a suite, then print its board. What the store holds already is not done again."""
    from restorebench.benchmark.execute import execute
    from restorebench.benchmark.show import progress

    planned = _plan(suite, systems, metrics, limit, profile)
    execute(planned, store, _workers(workers), progress, retry_failed)
    _board(store, planned.suite.name, None, form)
    _say(f"results: {store}  (records.csv, timings.csv, provenance.json; audio in pairs/ and restored/)")


@app.command(
    epilog="Example: restorebench score --estimates out --references clean --metrics dnsmos,lsd --out scores.csv"
)
def score(
    estimates: Annotated[Path | None, typer.Option(readable=False, help="Folder of audio to score.")] = None,
    out: Annotated[Path | None, typer.Option(help="Table to write: .csv or .parquet.")] = None,
    metrics: Names = "dnsmos",
    references: Annotated[Path | None, typer.Option(readable=False, help="Folder of clean audio, same names.")] = None,
    texts: Annotated[Path | None, typer.Option(readable=False, help="CSV with the columns id,text.")] = None,
    language: Annotated[str, typer.Option(help="Language of the transcripts.")] = "en",
    workers: Workers_ = None,
    table: Annotated[Path | None, typer.Option("--import", help="CSV system,id,value of a judge elsewhere.")] = None,
    metric: Annotated[str, typer.Option(help="With --import: name of that judge, e.g. sesqa.")] = "",
    lower_is_better: Annotated[bool, typer.Option("--lower-is-better", help="With --import.")] = False,
    store: Annotated[Path | None, typer.Option(help="With --import: the store that the scores enter.")] = None,
    suite: Annotated[str, typer.Option(help="With --import: which suite of the store; default: the latest.")] = "",
) -> None:
    """Score a folder of finished audio. Clips that cannot be scored get an error in their row; exit code 1 then.

    With --import, take over scores that were made elsewhere: they stand in the store under their own name.
    """
    if table is not None:
        if not metric or store is None:
            raise RequestError("--import needs --metric NAME and --store STORE")
        from restorebench.benchmark.import_scores import import_scores

        opened, plan = _stored_plan(store, suite)
        count = import_scores(opened, plan, table, metric, lower_is_better)
        _say(f"{count} values of {metric} taken over; restorebench board {store}")
        return
    if estimates is None or out is None:
        raise RequestError("wanted --estimates DIR and --out FILE, or --import FILE; see restorebench score --help")
    from restorebench.benchmark.score_files import score_files
    from restorebench.benchmark.show import progress

    if out.suffix not in (".csv", ".parquet"):
        raise RequestError(f"{out}: wanted a name that ends in .csv or .parquet")
    scored = score_files(estimates, _names(metrics) or [], references, texts, language, _workers(workers), progress)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".csv":
        scored.to_csv(out, index=False)
    else:
        scored.to_parquet(out, index=False)
    errors = [column for column in scored if str(column).endswith(".error")]
    failed = scored[scored[errors].notna().any(axis=1)] if errors else scored.iloc[:0]
    for row in failed.to_dict("records"):
        _say(f"{row['id']}: " + "; ".join(dict.fromkeys(str(row[c]) for c in errors if isinstance(row[c], str))))
    _say(f"{len(scored)} clips, {len(failed)} with errors: {out}")
    raise typer.Exit(1 if len(failed) else 0)


@app.command(epilog="Example: restorebench board demo-store --against masksr2 --format md")
def board(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    against: Annotated[str | None, typer.Option(help="Paper to stand beside: masksr2 or sise.")] = None,
    form: Format_ = Format.terminal,
) -> None:
    """Print the board of a store; with --against every measured cell beside the published one."""
    _board(store, suite, against, form)


@app.command(epilog="Example: restorebench compare demo-store dtln gtcrn")
def compare(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    first: Annotated[str, typer.Argument(metavar="A", help="A system of the store.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    form: Format_ = Format.terminal,
) -> None:
    """Say which of two systems is better on their common clips, by how much, and how sure that is."""
    from restorebench.benchmark.aggregate import board as make_board
    from restorebench.benchmark.registry import find

    opened, plan = _stored_plan(store, suite)
    _print(find("renderers", "compare")(make_board(plan, opened), first, second), form)


@app.command(epilog="Example: restorebench gate demo-store --baseline baseline.json")
def gate(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    baseline: Annotated[Path, typer.Option(help="The committed file to judge against.")],
    system: Annotated[str, typer.Option(help="The store's system; default: the baseline's, whatever checkpoint.")] = "",
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    update_baseline: Annotated[bool, typer.Option("--update-baseline", help="Write the file from this store.")] = False,
    reason: Annotated[str, typer.Option(help="Why the baseline changes; kept in it.")] = "",
    margin: Annotated[list[str] | None, typer.Option(help="VALUE=NUMBER, for the new file; may be repeated.")] = None,
    value: Annotated[list[str] | None, typer.Option(help="Guard this value only; may be repeated.")] = None,
    condition: Annotated[list[str] | None, typer.Option(help="Guard this condition only; may be repeated.")] = None,
    allow_less: Annotated[
        bool, typer.Option("--allow-less", help="Accept a new file that guards less, or clips without a value.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Also write a JUnit file.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Also append a Markdown summary to this file.")] = None,
    form: Format_ = Format.terminal,
) -> None:
    """Judge a store against a baseline: exit code 0 pass, 1 regression, 2 cannot be judged."""
    from restorebench.benchmark import gate as judge
    from restorebench.benchmark.baseline import read_baseline
    from restorebench.benchmark.errors import reason as reason_of
    from restorebench.benchmark.files import write_whole
    from restorebench.benchmark.registry import find

    if update_baseline:
        _update_baseline(store, suite, baseline, system, reason, margin or [], value or [], condition or [], allow_less)
        return
    if margin or reason or value or condition or allow_less:
        raise RequestError(
            "--margin, --reason, --value, --condition and --allow-less belong to --update-baseline; "
            "the file says what is judged"
        )

    def put(said: Table, xml: bytes) -> None:
        if junit:
            write_whole(junit, xml)
        if summary:
            with summary.open("a", encoding="utf-8") as file:
                file.write(find("renderers", "md")([said]))

    try:
        verdict = judge.gate(*_stored_plan(store, suite), read_baseline(baseline), system)
    except Exception as error:
        why = str(error) if isinstance(error, RequestError) else f"cannot judge: {reason_of(error)}"
        put(judge.refusal(why), judge.junit_refusal(why))
        raise RequestError(why) from error
    put(judge.table(verdict), judge.junit(verdict))
    _print([judge.table(verdict)], form)
    raise typer.Exit(verdict.exit_code)


def _update_baseline(
    store: Path,
    suite: str,
    path: Path,
    system: str,
    reason: str,
    margin: list[str],
    values: list[str],
    conditions: list[str],
    allow_less: bool,
) -> None:
    """Writes the gate's file. What is not named stays as the earlier file has it."""
    from restorebench.benchmark import baseline

    old = baseline.read_baseline(path) if path.is_file() else None
    if not reason.strip() or not (system or old):
        raise RequestError("--update-baseline needs --reason TEXT, and --system NAME for a new file")
    opened, plan = _stored_plan(store, suite)
    named = baseline.margins_of(margin)
    margins = {**(old.margins if old else {}), **named}
    chosen = system or baseline.successor(plan.systems, old.system if old else "")
    made, holes = baseline.baseline_of(
        opened,
        plan,
        chosen,
        reason.strip(),
        margins,
        values or (old.values if old else ()),
        conditions or (list(old.clips) if old else ()),
    )
    if unused := sorted(set(named) - set(made.margins)):
        raise RequestError(f"--margin {unused[0]}: not among the guarded values: {', '.join(made.margins)}")
    less = [*(baseline.dropped(old, made) if old else []), *holes]
    if less and not allow_less:
        raise RequestError(f"not guarded: {'; '.join(less)}; if that is meant, add --allow-less")
    baseline.write_baseline(path, made)
    for line in less:
        _say(f"not guarded: {line}")
    _say(f"{path}: {made.system}, {', '.join(made.margins)}")


@app.command(epilog="Example: restorebench report demo-store --out demo-report")
def report(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; an earlier report in it is replaced.")],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    clips: Annotated[int, typer.Option(min=0, help="Keep the sounds of so many clips.")] = 60,
) -> None:
    """Write an HTML report: leaderboard, clips to listen to, breakdowns, failures. It opens from disk, offline."""
    from restorebench.benchmark import provenance
    from restorebench.benchmark.aggregate import board_of, planned_records
    from restorebench.benchmark.memory import memory_of
    from restorebench.benchmark.registry import find
    from restorebench.benchmark.run import versions_of_clip
    from restorebench.benchmark.show import progress

    opened, plan = _stored_plan(store, suite)
    facts = {name: str(fact) for name, fact in provenance.collect().items() if isinstance(fact, str | int)}
    facts |= {f"version of {name}": number for name, number in provenance.versions().items()}
    records = planned_records(plan, opened)
    write = find("renderers", "report")
    sounds, memory = versions_of_clip(opened, plan), memory_of(opened, plan)
    page = write(board_of(plan, records), records, sounds, facts, memory, out, progress, clips)
    _say(f"report: {page}")


@app.command(epilog="Example: restorebench notebook demo-store --out demo.ipynb")
def notebook(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    out: Annotated[Path, typer.Option(help="The .ipynb file to write; it is executed.")],
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
) -> None:
    """Write an executed notebook with the tables and plots of a store, for going on by hand."""
    from restorebench.benchmark.registry import find

    _, plan = _stored_plan(store, suite)
    find("renderers", "notebook")(store, plan.suite.name, out)
    _say(f"notebook: {out}")


@app.command(epilog="Example: restorebench ledger demo-store --format csv > ledger.csv")
def ledger(
    stores: Annotated[list[Path] | None, typer.Argument(readable=False, help="Folders that `run` filled.")] = None,
    form: Format_ = Format.terminal,
) -> None:
    """List every published cell with its verdict or what is missing to measure it, and the papers' claims."""
    from restorebench.benchmark.aggregate import board as make_board
    from restorebench.benchmark.registry import find
    from restorebench.benchmark.store import open_store

    opened = [open_store(store) for store in stores or ()]
    boards = [make_board(plan, store) for store in opened for plan in store.plans()]
    _print(find("renderers", "ledger")(boards), form)


@app.command(epilog="Example: restorebench degrade demo --out test-set")
def degrade(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a path to a .toml file.")],
    out: Annotated[Path, typer.Option(help="Folder to write the test set to.")],
    limit: Limit = None,
    workers: Workers_ = None,
) -> None:
    """Write a suite's test set: reference and degraded audio, and a manifest with recipes and hashes."""
    from restorebench.benchmark import test_set
    from restorebench.benchmark.plan import trials_of
    from restorebench.benchmark.show import progress
    from restorebench.benchmark.suite import load

    trials = list(trials_of(load(suite), limit))
    faults = test_set.write(trials, out, _workers(workers), progress)
    for fault in faults:
        _say(fault)
    _say(f"{len(trials) - len(faults)} of {len(trials)} pairs: {out}")
    raise typer.Exit(1 if faults else 0)


@app.command(epilog="Example: restorebench verify test-set")
def verify(folder: Annotated[Path, typer.Argument(readable=False, help="Folder that `degrade` wrote.")]) -> None:
    """Check every sample of a test set against its manifest; exit code 1 when one differs."""
    from restorebench.benchmark import test_set

    clips, faults = test_set.verify(folder)
    for fault in faults:
        typer.echo(fault)
    typer.echo(f"{clips} clips, {len(faults)} faults")
    raise typer.Exit(1 if faults else 0)


@app.command(epilog="Example: restorebench restore noisy.wav restored.wav --system gtcrn")
def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", readable=False, help="A recording, or a folder of them.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File or folder to write (32-bit float WAV).")],
    system: Annotated[str, typer.Option(help="Name of a system.")],
    checkpoint: Annotated[
        Path | None, typer.Option(readable=False, help="Weights of a system that has no public ones (NAME@FILE).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of a system that samples.")] = 0,
) -> None:
    """Restore one file or a folder. A file that cannot be restored is named; the others are written."""
    from restorebench.benchmark.restore_files import restore_files
    from restorebench.benchmark.show import progress

    name = f"{system}@{checkpoint}" if checkpoint else system
    done, faults = restore_files(source, target, name, seed, progress)
    for fault in faults:
        _say(fault)
    _say(f"{done} of {done + len(faults)} files: {target}")
    raise typer.Exit(1 if faults else 0)


@app.command(epilog="Example: restorebench train nano/codec-16k --minutes 15")
def train(
    config: Annotated[str, typer.Argument(help="A path to a .toml file, or the name of a bundled one: nano/masksr2.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default: runs/CONFIG.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the folder's run stopped, bit for bit.")
    ] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Extract codes and teacher targets ahead of training, then stop.")
    ] = False,
    minutes: Annotated[float | None, typer.Option(min=0, help="Stop after this time, with a checkpoint.")] = None,
) -> None:
    """Train a model: checkpoint, log.csv, curve.png, TensorBoard events and audio land in the run's folder."""
    from restorebench.benchmark.registry import find
    from restorebench.benchmark.show import progress

    folder = out or Path("runs") / Path(config).name.removesuffix(".toml")
    if prepare:
        _say(f"prepared: {find('programs', 'prepare')(config, folder, progress)}")
    else:
        made = find("programs", "train")(config, folder, resume, minutes, progress)
        _say(f"checkpoint: {made.checkpoint}  (curve.png, log.csv, audio/, tensorboard/ beside it)")
        if made.done < made.planned:
            _say(f"stopped at step {made.done} of {made.planned}; add --resume to go on")


@app.command(epilog="Example: restorebench doctor")
def doctor(form: Format_ = Format.terminal) -> None:
    """Show what is installed, which weights and corpora are here, and what to do about the rest."""
    from restorebench.benchmark.doctor import examine

    _print(examine(), form)


@app.command(epilog="Example: restorebench env --prune")
def env(
    prune: Annotated[bool, typer.Option("--prune", help="Remove what no component names any more.")] = False,
    form: Format_ = Format.terminal,
) -> None:
    """Show the environments of components whose packages clash with ours; they are made at the first use."""
    from restorebench.benchmark import environments
    from restorebench.benchmark.doctor import environments_table, named_environments

    if prune:
        for key in environments.prune(named_environments()):
            _say(f"removed {key}")
    _print([environments_table()], form)


@data_app.command("fetch", epilog="Example: restorebench data fetch gtcrn librispeech-test-clean")
def data_fetch(
    names: Annotated[list[str], typer.Argument(help="Weights and corpora (see `restorebench data list`).")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder that holds the corpus, or its archives, already.")
    ] = None,
) -> None:
    """Fetch weights or a corpus: prints size and licence, goes on where it was cut off, checks the hash."""
    from restorebench.benchmark import weights
    from restorebench.benchmark.corpora import fetch as corpora
    from restorebench.benchmark.corpora.catalogue import CORPORA
    from restorebench.benchmark.show import progress

    if source and (len(names) > 1 or names[0] not in CORPORA):
        raise RequestError(f"--from takes one corpus, got {' '.join(names)}; known: {', '.join(CORPORA)}")
    for name in names:
        if name in CORPORA:
            corpus = corpora.entry_of(name)
            _say(f"{corpus.title}: {corpus.bytes / 1e9:.1f} GB, licence {corpus.licence}, to {corpora.folder_of(name)}")
        else:
            entry = weights.entry_of(name)
            _say(f"{entry.path}: {entry.bytes / 1e6:.1f} MB, licence {entry.licence}, {entry.url}")
    for name in names:
        if name not in CORPORA:
            typer.echo(weights.fetch(name, progress))
        else:
            typer.echo(corpora.take(name, source, progress) if source else corpora.fetch(name, progress))


@data_app.command("list", epilog="Example: restorebench data list --format csv")
def data_list(form: Format_ = Format.terminal) -> None:
    """List the corpora and weights that can be fetched: size, licence, and where they are."""
    from restorebench.benchmark.doctor import corpora_table, weights_table

    _print([corpora_table(), weights_table()], form)


def _plan(suite: str, systems: str, metrics: str, limit: int | None, profile: Profile) -> Plan:
    from restorebench.benchmark.plan import make
    from restorebench.benchmark.suite import load

    definition = load(suite)
    chosen, judged = _names(systems), _names(metrics)
    meant = definition.paper_metrics if profile is Profile.paper else definition.metrics
    if not judged and not meant:
        raise RequestError(f"{suite} has no metrics of the profile {profile}; name some with --metrics")
    # A suite's defaults are used as far as they can be used here; what a user names is never left out.
    unusable = {} if chosen else _unusable("systems", definition.systems)
    unusable |= {} if judged else _unusable("metrics", meant)
    planned = make(
        definition,
        chosen or [name for name in definition.systems if name not in unusable],
        judged or [name for name in meant if name not in unusable],
        limit,
    )
    for name, why in unusable.items():
        _say(f"without {name}: {why}")
    return planned


def _unusable(kind: Literal["systems", "metrics"], names: tuple[str, ...]) -> dict[str, str]:
    from restorebench.benchmark.plan import why_not

    return {name: why for name in names if (why := why_not(kind, name))}


def _stored_plan(store: Path, suite: str) -> tuple[Store, Plan]:
    """The plan of a suite, by default of the latest one."""
    from restorebench.benchmark.store import open_store, plan_of

    opened = open_store(store)
    return opened, plan_of(opened, suite)


def _board(store: Path, suite: str, against: str | None, form: Format) -> None:
    from restorebench.benchmark.aggregate import board as make_board
    from restorebench.benchmark.registry import find

    opened, plan = _stored_plan(store, suite)
    made = make_board(plan, opened)
    for_programs = form in (Format.csv, Format.json)
    if against:
        _print(find("renderers", "against-long" if for_programs else "against")(made, against), form)
    else:
        _print(find("renderers", "long" if for_programs else "results")(made), form)


class Stopped(BaseException):
    """Ctrl-C. Not KeyboardInterrupt, which Typer would turn into a bare exit code."""


def _stop(*_: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough: a second must not interrupt the clearing up
    raise Stopped


def main() -> None:
    """The `restorebench` command: expected errors are one line, the traceback is on --debug."""
    debug = "--debug" in sys.argv
    if "--offline" in sys.argv:
        os.environ["RESTOREBENCH_OFFLINE"] = "1"  # workers and environments inherit it
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--debug", "--offline")]
    signal.signal(signal.SIGINT, _stop)
    try:
        app(arguments)
    except (RequestError, AudioError) as error:
        if debug:
            raise
        typer.echo(f"restorebench: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if debug:
            raise
        typer.echo(f"restorebench: {error.filename or ''}: {error.strerror or error}", err=True)
        sys.exit(2)
    except Stopped:
        typer.echo("restorebench: stopped; run the same command again to go on", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
