"""Commands of listening tests: listen make, links, serve, export, scores, add."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from restorebench.benchmark.cli.options import Format, Format_, Wide, _names, _print, _print_result, _print_status
from restorebench.benchmark.errors import RequestError

app = typer.Typer(
    help="Listening tests: MOS, DMOS, MUSHRA-like and A/B, in a browser, from the sounds of a run.",
    no_args_is_help=True,
)

Test_ = Annotated[Path, typer.Argument(metavar="TEST", help="Folder of a listening test.")]
PORT = 8765


class Kinds(StrEnum):
    mos = "mos"
    dmos = "dmos"
    mushra = "mushra"
    ab = "ab"


@app.command(epilog="Example: restorebench listen make results --out listening --systems unprocessed,gtcrn,target")
def make(
    store: Annotated[Path, typer.Argument(help="A finished run's store.")],
    out: Annotated[Path, typer.Option(help="New folder of the test.")],
    systems: Annotated[str, typer.Option(help="Systems and anchors to rate, separated by commas. Default: all.")] = "",
    kind: Annotated[
        Kinds, typer.Option(help="mos, dmos: one sound, 1 to 5; mushra: all versions of a clip, 0 to 100; ab: pairs.")
    ] = Kinds.mos,
    clips: Annotated[int, typer.Option(min=1, help="Number of clips, spread evenly over the run's.")] = 8,
    blocks: Annotated[
        int, typer.Option(min=0, help="Blocks per listener; each has every system (pair) once. Default: one per clip.")
    ] = 0,
    checks: Annotated[
        int, typer.Option(min=0, max=5, help="Attention checks of each kind, per listener; mushra has none.")
    ] = 2,
    seed: Annotated[int, typer.Option(help="Random seed for the positions of the checks.")] = 0,
    suite: Annotated[str, typer.Option(help="Suite in the store; default: the latest.")] = "",
) -> None:
    """Make a listening test from a run: loudness-matched sounds under names that do not reveal the system."""
    _require_packages("pyloudnorm")
    from restorebench.benchmark.cli.options import _stored_plan
    from restorebench.benchmark.core.progress import show
    from restorebench.reports.listening.listening_test import make_test

    opened, plan = _stored_plan(store, suite)
    rated = _names(systems) or list(dict.fromkeys(job.system for job in plan.jobs))
    test = make_test(opened, plan, out, kind.value, rated, clips, blocks, checks, seed, show)
    count = len(test.trials(0))
    _print_status(
        f"{out}: {kind.value}, {len(test.systems)} systems, {len(test.clips)} clips, {count} trials per listener"
    )
    _print_status(f"next: restorebench listen links {out} --count 13; restorebench listen serve {out}")


@app.command(epilog="Example: restorebench listen links listening --count 13")
def links(
    test: Test_,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Number of new listeners.")] = 1,
    url: Annotated[str, typer.Option(help="Address that the listeners will reach.")] = f"http://127.0.0.1:{PORT}",
) -> None:
    """Make links, one per listener. The links are shown once: the test stores only their hashes."""
    from restorebench.reports.listening.listening_test import read_test
    from restorebench.reports.listening.ratings import Ratings

    read_test(test)
    for number, token in Ratings(test).add_listeners(count):
        _print_result(f"{number + 1} {url.rstrip('/')}/s/{token}")


@app.command(epilog="Example: restorebench listen serve listening")
def serve(
    test: Test_,
    host: Annotated[str, typer.Option(help="Address to listen on; unless 127.0.0.1, put an HTTPS proxy in front.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = PORT,
) -> None:
    """Serve the test to the listeners until Ctrl-C. For listeners elsewhere, put an HTTPS reverse proxy in front."""
    _require_packages("starlette", "uvicorn")
    import uvicorn

    from restorebench.reports.listening.server import application

    config = uvicorn.Config(
        application(test), host=host, port=port, log_level="warning", access_log=False, server_header=False,
        limit_concurrency=200, timeout_keep_alive=5,
    )  # fmt: skip
    sock = config.bind_socket()
    sock.listen(128)  # before the address is printed, so that no listener is refused
    _print_status(f"listening test at http://{host}:{sock.getsockname()[1]} (Ctrl-C ends it)")
    uvicorn.Server(config).run([sock])


@app.command(epilog="Example: restorebench listen export listening --out ratings.csv")
def export(
    test: Test_,
    out: Annotated[Path, typer.Option(help="CSV to write: one row per rated version.")],
) -> None:
    """Write the ratings as a CSV."""
    from restorebench.benchmark.core.atomic import write_atomic
    from restorebench.reports.listening.analysis import rows_of, to_csv
    from restorebench.reports.listening.listening_test import read_test
    from restorebench.reports.listening.ratings import Ratings

    rows = rows_of(read_test(test), Ratings(test).all())
    write_atomic(out, to_csv(rows).encode())
    _print_status(f"{len(rows)} ratings: {out}")


@app.command(epilog="Example: restorebench listen scores ratings.csv")
def scores(
    ratings: Annotated[Path, typer.Argument(help="Ratings, as `listen export` writes them.")],
    form: Format_ = Format.terminal,
    wide: Wide = False,
) -> None:
    """Show mean ratings with intervals, the listeners' agreement, and who failed the checks.

    Listeners who answered two or more checks, and more than a quarter of their checks, wrongly are excluded and named.
    """
    from restorebench.reports.listening.analysis import read_ratings, tables

    _print(tables(read_ratings(ratings)), form, wide)


@app.command(epilog="Example: restorebench listen add results ratings.csv")
def add(
    store: Annotated[Path, typer.Argument(help="The store that the test was made from.")],
    ratings: Annotated[Path, typer.Argument(help="Ratings, as `listen export` writes them.")],
    suite: Annotated[str, typer.Option(help="Suite in the store; default: the latest.")] = "",
) -> None:
    """Put the mean ratings of every clip into the store, as the column `mos` of boards and reports."""
    from restorebench.benchmark.cli.options import _stored_plan
    from restorebench.benchmark.core.atomic import write_atomic
    from restorebench.benchmark.core.digest import digest
    from restorebench.benchmark.folders.import_scores import import_scores
    from restorebench.benchmark.run.execute import write_tables
    from restorebench.reports.listening.analysis import means, read_ratings

    opened, plan = _stored_plan(store, suite)
    text = means(read_ratings(ratings), plan.suite.name)
    table = opened.root / "listening" / f"{digest(text)[:16]}.csv"
    table.parent.mkdir(exist_ok=True)
    write_atomic(table, text.encode())
    count = import_scores(opened, plan, table, "mos")
    write_tables(opened)
    _print_status(f"mos: {count} clips of {plan.suite.name}")


def _require_packages(*names: str) -> None:
    """Raises RequestError, with the command for the installation, if a package of the extra `listen` is absent."""
    from importlib.util import find_spec

    if absent := [name for name in names if not find_spec(name)]:
        raise RequestError(f"{', '.join(absent)} not installed; run: pip install 'restorebench[listen]'")
