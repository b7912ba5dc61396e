"""Commands that measure: plan, run, score."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.benchmark.errors import RequestError

if TYPE_CHECKING:
    from restorebench.benchmark.core.pool import Pool
    from restorebench.benchmark.plan.plan import Plan

from restorebench.benchmark.cli.options import (
    Format,
    Format_,
    Limit,
    Names,
    Profile,
    Profile_,
    Store_,
    Synthesizer_,
    Verbose,
    Wide,
    Workers_,
    _names,
    _print,
    _print_status,
    _stored_plan,
    _workers,
)
from restorebench.benchmark.cli.results import _board

app = typer.Typer()


class Engine(StrEnum):
    local = "local"
    ray = "ray"


def _pool(engine: Engine, address: str, workers: int | None) -> Pool | None:
    """The pool of an engine; None for the local one. Raises RequestError."""
    if engine is Engine.local:
        if address:
            raise RequestError("--address names a Ray cluster; add --engine ray")
        return None
    if address and workers:
        raise RequestError(
            "--workers sets the processes of this machine; a Ray cluster (--address) uses its own: leave out --workers"
        )
    from restorebench.benchmark.run.ray_pool import RayWorkers

    return RayWorkers(address, None if address else _workers(workers))


def _with_checkpoints(systems: str, pattern: str) -> str:
    """The named systems; a system that runs from a checkpoint is repeated for each file that matches the pattern.

    Raises RequestError when no file or no system fits.
    """
    from glob import glob

    from restorebench.benchmark import registry
    from restorebench.reports.tables.trend import by_number

    files = by_number([Path(name) for name in glob(pattern, recursive=True)])  # noqa: PTH207  # may be absolute
    if not files:
        raise RequestError(f"--checkpoints {pattern}: no such files; wanted a pattern such as 'runs/*/*.safetensors'")
    if odd := next((file for file in files if set(",?") & set(str(file))), None):
        raise RequestError(
            f"{odd}: a comma or question mark has a meaning in systems' names; rename the file or folder"
        )
    names = _names(systems) or []
    with_checkpoint = [n for n in names if "@" not in n and getattr(registry.card("systems", n), "checkpoint", False)]
    if not with_checkpoint:
        raise RequestError("--checkpoints needs --systems NAME of a system that loads a checkpoint, such as masksr2-s")
    with_files = []
    for name in names:
        base, mark, options = name.partition("?")
        with_files += [f"{base}@{file}{mark}{options}" for file in files] if name in with_checkpoint else [name]
    return ",".join(with_files)


@app.command(epilog="Example: restorebench plan demo --systems unprocessed,dtln --store demo-store")
def plan(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a path to a .toml file.")],
    systems: Names = "",
    metrics: Names = "",
    store: Annotated[Path | None, typer.Option(help="Store whose results count as cached.")] = None,
    synthesizer: Synthesizer_ = "",
    profile: Profile_ = Profile.embedded,
    limit: Limit = None,
    form: Format_ = Format.terminal,
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """Show what a run would do: what is cached, what is missing, and about how long the run takes."""
    from restorebench.benchmark.run.forecast import forecast
    from restorebench.benchmark.store.store import Store

    _print(
        [forecast(_plan(suite, systems, metrics, limit, profile, synthesizer), Store(store) if store else None)],
        form,
        wide,
        verbose,
    )


@app.command(epilog="Example: restorebench run demo --store demo-store --systems unprocessed,gtcrn,target")
def run(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a path to a .toml file.")],
    store: Store_,
    systems: Names = "",
    metrics: Names = "",
    synthesizer: Synthesizer_ = "",
    profile: Profile_ = Profile.embedded,
    limit: Limit = None,
    workers: Workers_ = None,
    checkpoints: Annotated[
        str,
        typer.Option(
            help="Pattern such as 'runs/*/step-*.safetensors': each system is run with each of these checkpoints."
        ),
    ] = "",
    shard: Annotated[str, typer.Option(help="Only part NUMBER/COUNT of the clips; see `store merge`.")] = "",
    engine: Annotated[Engine, typer.Option(help="local: processes of this machine; ray: tasks of Ray.")] = Engine.local,
    address: Annotated[
        str, typer.Option(help="With --engine ray: a cluster's address, or auto; default: Ray on this machine.")
    ] = "",
    retry_failed: Annotated[bool, typer.Option(help="Try clips again that failed in an earlier run.")] = False,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="First fetch the weights of systems and metrics; prints sizes and licences.")
    ] = False,
    form: Format_ = Format.terminal,
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """Degrade, restore and score a suite, then print its board. Results that the store has are reused."""
    from restorebench.benchmark.core.progress import show
    from restorebench.benchmark.plan.shard import WHOLE, Shard
    from restorebench.benchmark.run.execute import execute
    from restorebench.benchmark.store.records import planned_records

    if fetch:
        from restorebench.benchmark.run.defaults import fetch_weights
        from restorebench.benchmark.suite import load_suite, spoken_by

        definition = spoken_by(load_suite(suite), synthesizer)
        metric_names = _names(metrics) or (definition.paper_metrics if profile is Profile.paper else None)
        fetch_weights(definition, _names(systems), metric_names, _print_status, show)
    systems = _with_checkpoints(systems, checkpoints) if checkpoints else systems
    planned = _plan(suite, systems, metrics, limit, profile, synthesizer)
    part = Shard.parse(shard) if shard else WHOLE
    done = execute(planned, store, _workers(workers), show, retry_failed, part, _pool(engine, address, workers))
    if shard:
        clips = len(part.of(planned).trials)
        _print_status(f"shard {shard}: {clips} of {len(planned.trials)} clips; next: restorebench store merge")
        return
    _board(store, planned.suite.name, None, form, wide, verbose, store / "board.html")
    _print_status(
        f"results: {store}  (board.html, records.csv, timings.csv, provenance.json; audio in pairs/ and restored/)"
    )
    records = planned_records(planned, done)
    if len(records) and records["value"].isna().all():
        _print_status(f"no value of {planned.suite.name} could be measured: {records['why'].mode().iloc[0]}")
        raise typer.Exit(1)


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
    table: Annotated[Path | None, typer.Option("--import", help="CSV system,id,value: scores of a metric.")] = None,
    metric: Annotated[str, typer.Option(help="With --import: name of the metric, e.g. sesqa.")] = "",
    lower_is_better: Annotated[bool, typer.Option("--lower-is-better", help="With --import.")] = False,
    store: Annotated[Path | None, typer.Option(help="With --import: store to add the scores to.")] = None,
    suite: Annotated[str, typer.Option(help="With --import: which suite of the store; default: the latest.")] = "",
) -> None:
    """Score a folder of finished audio. A clip that cannot be scored gets an error in its row; the exit code is then 1.

    With --import, add scores that were computed elsewhere to a store, as values of the metric named by --metric.
    """
    if table is not None:
        if not metric or store is None:
            raise RequestError("--import needs --metric NAME and --store STORE")
        from restorebench.benchmark.folders.import_scores import import_scores

        opened, plan = _stored_plan(store, suite)
        count = import_scores(opened, plan, table, metric, lower_is_better)
        _print_status(f"{count} values of {metric} imported; next: restorebench board {store}")
        return
    if estimates is None or out is None:
        raise RequestError("wanted --estimates DIR and --out FILE, or --import FILE; see restorebench score --help")
    from restorebench.benchmark.core.atomic import open_atomic
    from restorebench.benchmark.core.outputs import require_file
    from restorebench.benchmark.core.progress import show
    from restorebench.benchmark.folders.kept_rows import KeptRows
    from restorebench.benchmark.folders.score import score_files

    if out.suffix not in (".csv", ".parquet"):
        raise RequestError(f"{out}: wanted a name that ends in .csv or .parquet")
    require_file(out)
    kept = KeptRows(out)
    names = _names(metrics) or []
    scored = score_files(estimates, names, references, texts, language, _workers(workers), show, kept)
    with open_atomic(out) as part:
        if out.suffix == ".csv":
            scored.to_csv(part, index=False)
        else:
            scored.to_parquet(part, index=False)
    kept.forget()
    for row in scored[scored["hint"].notna()].to_dict("records") if "hint" in scored else ():
        _print_status(f"{row['id']}: {row['hint']}")
    errors = [column for column in scored if str(column).endswith(".error")]
    failed = scored[scored[errors].notna().any(axis=1)] if errors else scored.iloc[:0]
    for row in failed.to_dict("records"):
        _print_status(
            f"{row['id']}: " + "; ".join(dict.fromkeys(str(row[c]) for c in errors if isinstance(row[c], str)))
        )
    _print_status(f"{len(scored)} clips, {len(failed)} with errors: {out}")
    raise typer.Exit(1 if len(failed) else 0)


def _plan(suite: str, systems: str, metrics: str, limit: int | None, profile: Profile, synthesizer: str = "") -> Plan:
    """The plan. Prints which defaults of the suite are left out, and why."""
    from restorebench.benchmark.run.defaults import plan_of_suite
    from restorebench.benchmark.suite import load_suite, spoken_by

    system_names, metric_names = _names(systems), _names(metrics)
    planned, unusable = plan_of_suite(
        spoken_by(load_suite(suite), synthesizer),
        system_names,
        metric_names,
        limit,
        paper_metrics=profile is Profile.paper,
    )
    for name, why in unusable.items():
        _print_status(f"without {name}: {why}")
    return planned
