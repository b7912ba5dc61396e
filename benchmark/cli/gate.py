"""The command `gate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restorebench.benchmark.errors import RequestError

if TYPE_CHECKING:
    from restorebench.benchmark.types import Table

from restorebench.benchmark.cli.options import Format, Format_, Verbose, Wide, _print, _print_status, _stored_plan

app = typer.Typer()


@app.command(epilog="Example: restorebench gate demo-store --baseline baseline.json")
def gate(
    store: Annotated[Path, typer.Argument(readable=False, help="Folder that `run` filled.")],
    baseline: Annotated[Path, typer.Option(help="Baseline file, to compare with or to write.")],
    system: Annotated[str, typer.Option(help="Judged system; default: the baseline's system, any checkpoint.")] = "",
    suite: Annotated[str, typer.Option(help="Which suite of the store; default: the latest.")] = "",
    update_baseline: Annotated[bool, typer.Option("--update-baseline", help="Write a baseline of this store.")] = False,
    reason: Annotated[str, typer.Option(help="Why the baseline changes; recorded in the file.")] = "",
    margin: Annotated[
        list[str] | None, typer.Option(help="VALUE=NUMBER: margin of a value in the new baseline; may be repeated.")
    ] = None,
    value: Annotated[list[str] | None, typer.Option(help="Guard this value only; may be repeated.")] = None,
    condition: Annotated[list[str] | None, typer.Option(help="Guard this condition only; may be repeated.")] = None,
    allow_less: Annotated[
        bool, typer.Option("--allow-less", help="Write a baseline that guards less, or has clips without a value.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Also write a JUnit file.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Also append a Markdown summary to this file.")] = None,
    form: Format_ = Format.terminal,
    wide: Wide = False,
    verbose: Verbose = False,
) -> None:
    """Judge a store against a baseline: exit code 0 pass, 1 regression, 2 cannot be judged."""
    from restorebench.benchmark.core.atomic import write_atomic
    from restorebench.benchmark.core.outputs import require_file
    from restorebench.benchmark.errors import reason as reason_of
    from restorebench.benchmark.gate import report
    from restorebench.benchmark.gate.baseline import read_baseline
    from restorebench.benchmark.gate.gate import gate as judge
    from restorebench.reports.formats import markdown

    for path in (junit, summary, baseline if update_baseline else None):
        if path:
            require_file(path)
    if update_baseline:
        _update_baseline(store, suite, baseline, system, reason, margin or [], value or [], condition or [], allow_less)
        return
    if margin or reason or value or condition or allow_less:
        raise RequestError(
            "--margin, --reason, --value, --condition and --allow-less are only for --update-baseline; "
            "without it, the baseline file decides which values are compared"
        )

    def write_reports(table: Table, junit_xml: bytes) -> None:
        if junit:
            write_atomic(junit, junit_xml)
        if summary:
            with summary.open("a", encoding="utf-8") as file:
                file.write(markdown([table]))

    try:
        verdict = judge(*_stored_plan(store, suite), read_baseline(baseline), system)
    except Exception as error:
        why = str(error) if isinstance(error, RequestError) else f"cannot judge: {reason_of(error)}"
        write_reports(report.cannot_judge_table(why), report.cannot_judge_junit(why))
        raise RequestError(why) from error
    write_reports(report.table(verdict), report.junit(verdict))
    _print([report.table(verdict)], form, wide, verbose)
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
    """Writes the baseline file with the scores of this store.

    Values, conditions and margins that are not given are taken from the earlier file. Without `system`, the store's
    system with the same name as in the earlier file is used, whatever its checkpoint.
    """
    from restorebench.benchmark.gate import baseline

    old = baseline.read_baseline(path) if path.is_file() else None
    if not reason.strip() or not (system or old):
        raise RequestError("--update-baseline needs --reason TEXT, and --system NAME for a new file")
    opened, plan = _stored_plan(store, suite)
    given_margins = baseline.margins_of(margin)
    margins = {**(old.margins if old else {}), **given_margins}
    chosen = system or baseline.successor(plan.systems, old.system if old else "")
    new, without_value = baseline.baseline_of(
        opened,
        plan,
        chosen,
        reason.strip(),
        margins,
        values or (old.values if old else ()),
        conditions or (list(old.clips) if old else ()),
    )
    if unused := sorted(set(given_margins) - set(new.margins)):
        raise RequestError(f"--margin {unused[0]}: not among the guarded values: {', '.join(new.margins)}")
    unguarded = [*(baseline.dropped(old, new) if old else []), *without_value]
    if unguarded and not allow_less:
        raise RequestError(f"not guarded: {'; '.join(unguarded)}; if this is intended, add --allow-less")
    baseline.write_baseline(path, new)
    for line in unguarded:
        _print_status(f"not guarded: {line}")
    _print_status(f"{path}: {new.system}, {', '.join(new.margins)}")
