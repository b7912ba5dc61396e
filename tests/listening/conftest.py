"""Listening tests of three systems and eight clips, and servers of them."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from restorebench.reports.listening.ratings import Answer, Ratings
from tests.conftest import COMMAND
from tests.html.conftest import browser  # noqa: F401  # a fixture


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight bundled clips in noise."""
    folder = tmp_path_factory.mktemp("listening")
    command = [str(COMMAND), "run", "demo", "--limit", "8", "--systems", "unprocessed,spectral-gate,target"]
    command += ["--metrics", "lsd", "--store", "s"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "s"


@pytest.fixture
def make(store: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a listening test of the given kind from the run; `options` are further options of `listen make`."""

    def make_test(kind: str, *options: str) -> Path:
        out = tmp_path / kind
        command = [str(COMMAND), "listen", "make", str(store), "--out", str(out), "--kind", kind, *options]
        subprocess.run(command, check=True, capture_output=True)
        return out

    return make_test


@dataclass
class Served:
    folder: Path
    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stderr
        self.process.stderr.close()

    def kept(self, link: str) -> list[Answer]:
        """The saved answers of the listener who has this link."""
        ratings = Ratings(self.folder)
        listener = ratings.listener(link.rpartition("/")[2])
        return [rating.answer for rating in ratings.all() if rating.listener == listener]

    def link(self) -> str:
        """The path of a new listener's page."""
        [(_, token)] = Ratings(self.folder).add_listeners(1)
        return f"/s/{token}"

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """(status, body, headers) of the server's response; a request that has a body is a POST."""
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        content_type = {"Content-Type": "application/json"} if payload is not None else {}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET" if payload is None else "POST", path, payload, {**content_type, **headers})
            with connection.getresponse() as response:
                content = response.read()
                return response.status, content, {name.lower(): value for name, value in response.getheaders()}


def serve(folder: Path, port: int = 0) -> Served:
    command = [str(COMMAND), "listen", "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stderr
    line = process.stderr.readline()
    assert "listening test at" in line, line + process.stderr.read()
    return Served(folder, int(line.split(":")[-1].split()[0]), process)


@pytest.fixture
def served(make: Callable[..., Path]) -> Iterator[Callable[..., Served]]:
    """Starts a server of a new listening test of the given kind; all servers are stopped after the test."""
    running: list[Served] = []

    def start(kind: str, *options: str) -> Served:
        running.append(serve(make(kind, *options)))
        return running[-1]

    yield start
    for server in running:
        server.end()


@pytest.fixture(scope="module")
def shared(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server of a MOS test of two clips, shared by tests that each add their own listener."""
    out = tmp_path_factory.mktemp("shared") / "mos"
    command = [str(COMMAND), "listen", "make", str(store), "--out", str(out), "--clips", "2", "--checks", "0"]
    subprocess.run(command, check=True, capture_output=True)
    server = serve(out)
    yield server
    server.end()
