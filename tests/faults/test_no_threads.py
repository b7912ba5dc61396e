"""A machine that allows no more threads ends a run with one line; it used to wait for ever."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, threading
from restorebench.benchmark.core import pool
from restorebench.benchmark.errors import RequestError

start = threading.Thread.start

def limited(thread):
    if thread.name == "QueueFeederThread":
        raise RuntimeError("can't start new thread")
    start(thread)

if __name__ == "__main__":
    threading.Thread.start = limited
    pool.WATCH_S = 0.5
    try:
        with pool.Workers(1) as workers:
            list(workers.map(str, [1, 2, 3], lambda unit, why: why))
    except RequestError as error:
        print(error)
        sys.stdout.flush()
        import os
        os._exit(7)
"""


def test_no_thread_for_the_pool_is_one_line() -> None:
    """The pool's own thread dies when it cannot start the one that feeds its queue (a limit of the machine's)."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7, done.stderr
    assert "the machine allows no more threads or processes" in done.stdout
