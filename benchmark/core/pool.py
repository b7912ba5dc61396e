"""Spawned worker processes with one thread each, and a map over units that continues when a worker process dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import Protocol, Self, TypeVar

from restorebench.benchmark.errors import MAY_PASS, RequestError

Unit = TypeVar("Unit")
Result = TypeVar("Result")

DEATHS = "killed, out of memory, over RESTOREBENCH_UNIT_LIMIT_S, or a crash in native code"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
PARENT_INTERVAL_S = 1.0
"""Seconds between two checks by a worker process that its parent process still exists."""
WATCH_S = 10.0
"""Seconds between two checks that the pool's manager thread is alive."""
LIMIT_VARIABLE, LIMIT_S = "RESTOREBENCH_UNIT_LIMIT_S", 24 * 3600.0
"""When no unit ends for this many seconds, the worker processes are regarded as hanging and are killed."""


def default_workers() -> int:
    """$RESTOREBENCH_WORKERS, or the cores that this process may use. Raises RequestError for an invalid number."""
    if named := os.environ.get("RESTOREBENCH_WORKERS"):
        if not named.isdecimal() or int(named) < 1:
            raise RequestError(f"RESTOREBENCH_WORKERS={named}: wanted a number of processes, 1 or more")
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def single_threaded_children() -> Iterator[None]:
    """Sets the thread variables to 1 inside the block: numeric libraries of child processes read them when they load.

    With one thread per worker, results do not depend on the machine's core count, and each core works on its own clip.
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def begin_worker(parent: int) -> None:
    """Makes a worker ignore Ctrl-C, and end when its parent process has ended.

    Ctrl-C reaches the whole process group; the parent alone decides what happens to the workers (`Workers` terminates
    them). A killed parent sends no signal, so every worker checks regularly whether the parent exists.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)


def end_with(parent: int) -> None:
    """Starts a thread that ends this process within about a second after the parent process has ended."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def process_pool(count: int | None = None) -> ProcessPoolExecutor:
    """A pool of spawned processes, which end when this process ends."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=begin_worker, initargs=(os.getpid(),))


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_INTERVAL_S)
    os._exit(1)


class Pool(Protocol):
    """Runs units: `Workers` on this machine, `RayWorkers` (run/ray_pool.py) on Ray. Use as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, failed: type[BaseException] | None, /, *_: object) -> None: ...

    def map(
        self,
        work: Callable[[Unit], Result],
        units: Sequence[Unit],
        died: Callable[[Unit, str], Result],
        pieces: Callable[[Unit], Sequence[Unit]] = ...,
    ) -> Iterator[Result]:
        """Results in order of completion; units whose worker died are tried once more, in pieces."""
        ...


class Workers:
    """A pool that stays open over several maps. Use as a context manager."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        if failed is not None:
            # Results are written atomically, so unfinished units can be dropped; waiting would look like a hang.
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = process_pool(self.count)
        return self._pool

    def map(
        self,
        work: Callable[[Unit], Result],
        units: Sequence[Unit],
        died: Callable[[Unit, str], Result],
        pieces: Callable[[Unit], Sequence[Unit]] = lambda unit: [unit],
    ) -> Iterator[Result]:
        """Results in order of completion.

        When a worker dies, all unfinished units in the pool are tried again in `pieces`, one at a time; a piece whose
        worker dies is passed to `died`, so that only the clips at fault are lost.
        """
        with single_threaded_children():
            yield from self._map(work, list(units), died, pieces)

    def _map(
        self,
        work: Callable[[Unit], Result],
        units: list[Unit],
        died: Callable[[Unit, str], Result],
        pieces: Callable[[Unit], Sequence[Unit]],
    ) -> Iterator[Result]:
        unfinished, queue = [], iter(units)
        # Few units are in flight at once, so that the memory does not depend on the number of units.
        in_flight = {self._submit(work, unit): unit for unit in islice(queue, 4 * self.count)}
        while in_flight:
            done = [(future, in_flight.pop(future)) for future in self._completed(in_flight)]
            in_flight |= {self._submit(work, unit): unit for unit in islice(queue, len(done))}
            for future, unit in done:
                try:
                    yield future.result()
                except BrokenProcessPool:
                    unfinished.append(unit)
        for unit in [piece for interrupted in unfinished for piece in pieces(interrupted)]:
            future = self._submit(work, unit)
            self._completed([future])
            try:
                yield future.result()
            except BrokenProcessPool:
                yield died(unit, f"{MAY_PASS}the worker process died ({DEATHS}), twice")

    def _completed(self, futures: Collection[Future[Result]]) -> set[Future[Result]]:
        """Waits for the first finished futures; returns them. Raises RequestError if the pool's manager thread died.

        Where the machine allows no more threads, that thread dies without an error, and the futures never complete.
        """
        limit_s, last = float(os.environ.get(LIMIT_VARIABLE) or LIMIT_S), time.monotonic()
        while True:
            done, _ = wait(futures, timeout=min(WATCH_S, limit_s), return_when=FIRST_COMPLETED)
            if done:
                return done
            if time.monotonic() - last > limit_s:
                self._end_workers()
                last = time.monotonic()
            manager: threading.Thread | None = getattr(self._pool, "_executor_manager_thread", None)
            if manager is None or not manager.is_alive():
                raise RequestError(
                    "worker processes cannot be started or reached: the machine allows no more threads or processes; "
                    "try --workers 1, or raise the limit (ulimit -u)"
                )

    def _end_workers(self) -> None:
        """Kills the workers; their units then count as units of workers that died."""
        for process in list(((self._pool._processes if self._pool else None) or {}).values()):
            process.kill()

    def _submit(self, work: Callable[[Unit], Result], unit: Unit) -> Future[Result]:
        try:
            return self._open().submit(work, unit)
        except BrokenProcessPool:
            self._pool = None
            return self._open().submit(work, unit)
