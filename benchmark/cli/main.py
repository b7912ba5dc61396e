"""The command line. Each command is a thin layer over functions that Python can call.

Exit codes: 0 done, 1 done with a negative result (such as a failed check), 2 the request cannot be carried out.
Imports are inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from restorebench.benchmark.cli import audio, gate, installation, listen, measure, results
from restorebench.benchmark.core.text import printable
from restorebench.benchmark.errors import AudioError, RequestError, reason

app = typer.Typer(
    name="restorebench",
    help="Benchmark speech-restoration systems and compare them with the papers' published numbers.\n\n"
    "Start with: restorebench run demo --store demo-store\n\n"
    "With any command: --offline fetches nothing, --debug shows the traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # Rich doubles the time of --help
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (measure, results, gate, audio, installation):
    app.add_typer(group.app)
app.add_typer(installation.data_app, name="data")
app.add_typer(listen.app, name="listen")
app.add_typer(results.store_app, name="store")
app.add_typer(results.submit_app, name="submit")


def _version(wanted: bool) -> None:
    if wanted:
        import restorebench

        typer.echo(f"restorebench {restorebench.__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


class Stopped(BaseException):
    """Raised on Ctrl-C or SIGTERM instead of KeyboardInterrupt, which Typer would turn into a bare exit code."""


def _stop(number: int, _: object) -> None:
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, signal.SIG_IGN)  # a second signal must not interrupt the clean-up
    raise Stopped(number)


def main() -> None:
    """The `restorebench` command: an error is printed as one line, or with --debug as a traceback."""
    debug = "--debug" in sys.argv
    if "--offline" in sys.argv:
        os.environ["RESTOREBENCH_OFFLINE"] = "1"  # workers and environments inherit it
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--debug", "--offline")]
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(arguments)
    except (RequestError, AudioError) as error:
        if debug:
            raise
        typer.echo(f"restorebench: {printable(str(error))}", err=True)
        sys.exit(2)
    except OSError as error:
        if debug:
            raise
        typer.echo(f"restorebench: {printable(str(error.filename or ''))}: {error.strerror or error}", err=True)
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        typer.echo(f"restorebench: unexpected {printable(reason(error))}; --debug shows where", err=True)
        sys.exit(2)
    except Stopped as stopped:
        typer.echo("restorebench: stopped; run the same command again to go on", err=True)
        sys.exit(128 + stopped.args[0])


if __name__ == "__main__":
    main()
