"""A run on a machine that allows no more threads ends with one line; an earlier version waited for ever."""

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


def test_a_pool_that_can_start_no_thread_ends_with_a_message() -> None:
    """The pool's manager thread dies when it cannot start the thread that feeds the queue (a limit of the machine)."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7, done.stderr
    assert "the machine allows no more threads or processes" in done.stdout
