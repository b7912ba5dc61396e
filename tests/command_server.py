"""Runs the command in forks of a process that has done its imports, so that each of the tests' commands saves them.

A command is still a process of its own, with its own arguments, folder and environment. `tests/conftest.py` starts one
server for each test process; it reads one request a line and answers with the exit code.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from contextlib import suppress
from typing import Any

MODULES = (
    "jinja2",
    "librosa.filters",
    "pandas",
    "pyarrow.dataset",
    "scipy.signal",
    "scipy.stats",
    "restorebench.benchmark.api",
    "restorebench.benchmark.cli.main",
    "restorebench.benchmark.analysis.board",
    "restorebench.benchmark.run.execute",
    "restorebench.benchmark.store.records",
    "restorebench.reports.formats",
)


def requested() -> dict[str, Any] | None:
    """In a fork: what it is to run. In the server: None, when nothing more is asked."""
    while line := sys.stdin.buffer.readline():
        process = os.fork()
        if process == 0:
            return dict(json.loads(line))
        _, status = os.waitpid(process, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))
    return None


def become(request: dict[str, Any]) -> None:
    """This process with the arguments, folder, environment and streams of a started one."""
    for number, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = [path for path in request["env"].get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.argv = request["arguments"]
    os.chdir(request["folder"])


if __name__ == "__main__":
    for name in MODULES:
        with suppress(ModuleNotFoundError):  # of an extra that is not installed
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if (request := requested()) is not None:
        become(request)
        from restorebench.benchmark.cli.main import main

        main()
