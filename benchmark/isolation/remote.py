"""Runs a component in its own Python environment: a long-lived worker process that exchanges frames over pipes.

The component is a file with a class `Remote(**settings)`, whose methods take a list of arrays and keyword options, and
return a JSON value and a list of arrays. If a worker dies, a new worker gets the same request. A worker that does not
answer within the time limit is killed.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.data.download import offline
from restorebench.benchmark.errors import AudioError, AwayError
from restorebench.benchmark.isolation import environments
from restorebench.benchmark.isolation.environments import Environment

if TYPE_CHECKING:
    from filelock import FileLock

MAIN = Path(__file__).with_name("worker.py")
START_LIMIT_S = 1800.0
"""Seconds within which a worker must have started; a large model on a slow disk takes long to load."""
CALL_LIMIT_S = 600.0
TAIL = 400
"""Number of characters of the worker's standard error that a failure's reason quotes."""

Array = NDArray[Any]


PASSED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH", "SYSTEMROOT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "COMSPEC", "HF_HOME", "TORCH_HOME",
    "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
})  # fmt: skip
PASSED_PREFIXES = ("LC_", "XDG_", "CUDA_", "NVIDIA_", "RESTOREBENCH_")


def environment_of_a_worker(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that a worker gets: those of PASSED and PASSED_PREFIXES, which exclude access tokens.

    Thread variables are left out, since one worker may use all cores. With RESTOREBENCH_OFFLINE, the model hubs' own
    offline variables are set as well.
    """
    passed = {
        name: CREDENTIALS.sub(r"\1", value) if name.lower().endswith("_proxy") else value
        for name, value in variables.items()
        if name in PASSED or name.startswith(PASSED_PREFIXES)
    }
    return passed | ({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"} if offline() else {})


CREDENTIALS = re.compile(r"^([A-Za-z][\w+.-]*://)?.*@")
"""User name and password in the address of a proxy; they are removed."""


class WorkerDied(Exception):
    """The process ended without an answer."""


@dataclass
class Remote:
    """The component in `file`, created with `settings` in `environment`; its worker starts at the first call."""

    environment: Environment
    file: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    limit_s: float = CALL_LIMIT_S

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr_file: IO[bytes] | None = None
        self._environment_lock: FileLock | None = None
        self._unusable = ""
        """Why the component could not be created; every later call raises this reason without another try."""

    def call(
        self, method: str, arrays: Sequence[Array] = (), limit_s: float | None = None, **options: Any
    ) -> tuple[Any, list[Array]]:
        """Calls a method; returns its (value, arrays) within `limit_s` seconds.

        Raises AudioError when the component raises an error or the limit is exceeded, and AwayError when its worker
        died twice. The message quotes the worker's error message or the end of its standard error.
        """
        if self._unusable:
            raise AudioError(self._unusable)
        request, limit_s = {"method": method, "options": options}, limit_s or self.limit_s
        try:
            return self._ask(request, arrays, limit_s)
        except WorkerDied:
            try:
                return self._ask(request, arrays, limit_s)
            except WorkerDied as error:
                raise AwayError(f"{self.file.stem}: in two attempts, {error}") from error

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if self._environment_lock is not None:
            self._environment_lock.release()
            self._environment_lock = None
        if self._stderr_file is not None:
            self._stderr_file.close()
        atexit.unregister(self.close)

    def _ask(self, request: Mapping[str, Any], arrays: Sequence[Array], limit_s: float) -> tuple[Any, list[Array]]:
        self._start()
        return self._exchange(request, arrays, limit_s)

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._environment_lock = environments.hold(self.environment)
        python = self.environment.python
        variables = environment_of_a_worker(os.environ)
        # -I keeps the script's folder off the import path: its modules must not hide packages of the same name.
        self._stderr_file = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the worker runs
        self._process = subprocess.Popen(
            [str(python), "-I", "-u", str(MAIN)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._stderr_file, env=variables, start_new_session=True,
        )  # fmt: skip
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        atexit.register(self.close)
        self._exchange({"file": str(self.file), "settings": dict(self.settings)}, [], START_LIMIT_S)

    def _exchange(self, head: Mapping[str, Any], arrays: Sequence[Array], limit_s: float) -> tuple[Any, list[Array]]:
        assert self._process is not None
        deadline = time.monotonic() + limit_s
        try:
            for part in _frame(head, arrays):
                self._send(part, deadline)
            (length,) = struct.unpack(">Q", self._receive(8, deadline))
            answer = json.loads(self._receive(length, deadline))
            received = []
            for facts in answer["arrays"]:
                dtype = np.dtype(facts["dtype"])
                size = dtype.itemsize * int(np.prod(facts["shape"], dtype=np.int64))
                received.append(np.frombuffer(self._receive(size, deadline), dtype).reshape(facts["shape"]))
        except TimeoutError as error:
            tail = self._tail()
            self.close()
            why = f"no answer within {limit_s:g} s, so its worker was killed{tail}"
            raise AudioError(f"{self.file.stem}: {why}") from error
        except (BrokenPipeError, EOFError) as error:
            code = self._process.wait()
            tail = self._tail()
            self.close()
            raise WorkerDied(f"its worker died (exit {code}){tail}") from error
        except BaseException:
            self.close()  # a late answer must not be taken for the answer to the next request
            raise
        if "error" in answer:
            why = f"{self.file.stem}: {answer['error']}"
            if "file" in head:
                self.close()
                self._unusable = why
            raise AudioError(why)
        return answer["value"], received

    def _send(self, data: memoryview, deadline: float) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        while data:
            _wait([], [pipe], deadline)
            data = data[os.write(pipe, data) :]

    def _receive(self, count: int, deadline: float) -> bytearray:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, content = self._process.stdout.fileno(), bytearray()
        while len(content) < count:
            _wait([pipe], [], deadline)
            part = os.read(pipe, count - len(content))
            if not part:
                raise EOFError
            content += part
        return content

    def _tail(self) -> str:
        """The end of what the worker wrote to standard error, as one line."""
        assert self._stderr_file is not None
        self._stderr_file.seek(0)
        text = " ".join(self._stderr_file.read().decode(errors="replace").split())
        return f"; its last output: {text[-TAIL:]}" if text else ""


def _frame(head: Mapping[str, Any], arrays: Sequence[Array]) -> list[memoryview]:
    arrays = [np.ascontiguousarray(array) for array in arrays]
    described = [{"dtype": array.dtype.str, "shape": list(array.shape)} for array in arrays]
    text = json.dumps({**head, "arrays": described}).encode()
    return [memoryview(struct.pack(">Q", len(text)) + text), *(memoryview(array.tobytes()) for array in arrays)]


def _wait(readable: list[int], writable: list[int], deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0 or not any(select.select(readable, writable, [], left)):
        raise TimeoutError
