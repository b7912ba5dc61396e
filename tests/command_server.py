"""Runs the tests' commands in forks of a process that has imported the modules, to save the time of these imports.

Each command is still a process of its own, with its own arguments, folder and environment. `tests/conftest.py` starts
one server for each test process. The server reads one request per line and answers with the command's exit code.
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


def serve_requests() -> dict[str, Any] | None:
    """Forks for each request. Returns the request in a fork, and None in the server after the last request."""
    while line := sys.stdin.buffer.readline():
        child = os.fork()
        if child == 0:
            return dict(json.loads(line))
        _, status = os.waitpid(child, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))
    return None


def become(request: dict[str, Any]) -> None:
    """Gives this process the arguments, folder, environment and streams of the request."""
    for descriptor, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        file = os.open(path, flags, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = [path for path in request["env"].get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.argv = request["arguments"]
    os.chdir(request["folder"])


if __name__ == "__main__":
    for name in MODULES:
        with suppress(ModuleNotFoundError):  # the module belongs to an extra that is not installed
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if (request := serve_requests()) is not None:
        become(request)
        from restorebench.benchmark.cli.main import main

        main()
