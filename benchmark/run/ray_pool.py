"""The pool of `core/pool.py` on Ray (extra `ray`): each unit is a task, on this machine or on the nodes of a cluster.

Units carry paths and write whole files under names that follow from their content, so a unit may run twice. Every node
must see the store under the same path. Ray executes any code that is sent to its ports: use it in
trusted networks only.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from restorebench.benchmark.core.pool import DEATHS, LIMIT_S, LIMIT_VARIABLE, THREAD_VARIABLES
from restorebench.benchmark.errors import MAY_PASS, RequestError

Unit = TypeVar("Unit")
Result = TypeVar("Result")

IN_FLIGHT = 4
"""Units submitted per processor at a time, so that the memory does not depend on the number of units."""
REACHED_S = 10.0
"""Seconds in which the head of a cluster must answer."""
WATCH_S = 10.0
"""Seconds between two checks of the time limit."""


class RayWorkers:
    """Units as Ray tasks of one processor each. Use as a context manager; one per process."""

    def __init__(self, address: str = "", count: int | None = None) -> None:
        """address: of a running cluster, or "auto"; "": Ray is started on this machine, with `count` processors.

        Raises RequestError when Ray is not installed.
        """
        self.address, self.count = address, count
        # Ray reads these environment variables when it is imported.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # else Ray builds one for every worker
        if not address:
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else Ray accepts other machines
        try:
            import ray
        except ImportError as error:
            raise RequestError("--engine ray needs ray, not installed; run: pip install 'restorebench[ray]'") from error
        self.ray: Any = ray

    def __enter__(self) -> RayWorkers:
        passed = {name: value for name, value in os.environ.items() if name.startswith("RESTOREBENCH_")}
        options: dict[str, Any] = {
            "runtime_env": {"env_vars": passed | dict.fromkeys(THREAD_VARIABLES, "1")},
            "log_to_driver": False,
            "logging_level": "ERROR",
        }
        if not self.address:
            options |= {"num_cpus": self.count, "include_dashboard": False}
        self._require_reachable()
        try:
            self.ray.init(address=self.address or "local", **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise RequestError(f"Ray cannot be reached at {self.address or 'this machine'}: {error}") from error
        # Ray prints messages about killed workers to standard output, which is reserved for the board.
        self.ray._private.worker._worker_logs_enabled = False
        return self

    def _require_reachable(self) -> None:
        """Raises RequestError when nothing listens at HOST:PORT; Ray itself would try for more than a minute."""
        host, _, port = self.address.rpartition(":")
        if not (host and port.isdecimal()):
            return
        try:
            socket.create_connection((host, int(port)), timeout=REACHED_S).close()
        except OSError as error:
            raise RequestError(
                f"Ray cannot be reached at {self.address}: {error}; start the cluster or correct the address"
            ) from error

    def __exit__(self, *_: object) -> None:
        self.ray.shutdown()

    def map(
        self,
        work: Callable[[Unit], Result],
        units: Sequence[Unit],
        died: Callable[[Unit, str], Result],
        pieces: Callable[[Unit], Sequence[Unit]] = lambda unit: [unit],
    ) -> Iterator[Result]:
        """Results in order of completion.

        A unit whose worker or node dies is tried again in `pieces`; a piece that dies again is passed to `died`.
        """
        interrupted: list[Unit] = []
        for unit, result, why in self._results(work, units):
            if why:
                interrupted.append(unit)
            else:
                yield result
        again = [piece for unit in interrupted for piece in pieces(unit)]
        for unit, result, why in self._results(work, again):
            yield died(unit, f"{MAY_PASS}the worker process died ({why or DEATHS}), twice") if why else result

    def _results(self, work: Callable[[Unit], Result], units: Sequence[Unit]) -> Iterator[tuple[Unit, Any, str]]:
        """(unit, result, why its worker died) of each unit; the reason is "" if the worker did not die."""
        # Ray must not retry by itself: a clip that always kills its worker would be retried for ever.
        task = self.ray.remote(num_cpus=1, max_retries=0)(work)
        processors = int(self.ray.cluster_resources().get("CPU", 1))
        queue = iter(units)
        pending = {task.remote(unit): unit for unit in islice(queue, IN_FLIGHT * processors)}
        while pending:
            for future in self._completed(list(pending)):
                unit = pending.pop(future)
                yield unit, *self._outcome(future)
                pending |= {task.remote(following): following for following in islice(queue, 1)}

    def _outcome(self, future: Any) -> tuple[Any, str]:
        """(result, "") or (None, why the worker died). Raises what the unit itself raised."""
        exceptions = self.ray.exceptions
        try:
            return self.ray.get(future), ""
        except exceptions.RayTaskError as error:
            raise error.cause from None
        except exceptions.RayError as error:
            return None, " ".join(str(error).split())[:200] or type(error).__name__

    def _completed(self, futures: list[Any]) -> list[Any]:
        """Waits for finished futures. When none ends within the time limit of a unit, all are cancelled."""
        limit_s, last = float(os.environ.get(LIMIT_VARIABLE) or LIMIT_S), time.monotonic()
        while True:
            done, _ = self.ray.wait(futures, num_returns=1, timeout=min(WATCH_S, limit_s))
            if done:
                return list(done)
            if time.monotonic() - last > limit_s:
                for future in futures:
                    self.ray.cancel(future, force=True)
                last = time.monotonic()
