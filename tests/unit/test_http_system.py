"""A model behind an HTTP server on this machine: the protocol, its failures, and the conformance suite."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile

import restorebench as rb
from restorebench.benchmark.components import system_of
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.types import Audio
from restorebench.systems.served.http import HttpSystem
from tests.conftest import Cli

CARD = {"name": "halver", "version": 3, "summary": "Half as loud", "identity": "abc", "rate": 16_000}


class Model(BaseHTTPRequestHandler):
    """Scales a clip by 0.5 for seed 0 and by 0.4 for other seeds; refuses a silent clip."""

    card: object = CARD
    redirect_to: str = ""

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(307 if self.redirect_to else status)
        if self.redirect_to:
            self.send_header("Location", self.redirect_to)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(200 if self.path == "/card" else 404, json.dumps(type(self).card).encode())

    def do_POST(self) -> None:
        samples, rate = soundfile.read(io.BytesIO(self.rfile.read(int(self.headers["Content-Length"]))))
        if not np.any(samples):
            self.answer(422, b"silence is not for me\nsecond line")
            return
        response = io.BytesIO()
        scaled = samples * (0.5 if self.headers["X-Seed"] == "0" else 0.4)
        soundfile.write(response, scaled, rate, format="WAV", subtype="FLOAT")
        self.answer(200, response.getvalue())


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_served_model_restores_and_has_the_servers_card(address: str) -> None:
    system = system_of(f"http:{address}")
    assert (system.card.version, system.card.identity, system.card.rate) == (3, "abc", 16_000)
    clip = Audio(np.linspace(-0.5, 0.5, 160, dtype=np.float32), 16_000)
    restored = system.restore([clip, clip], [0, 1])  # type: ignore[union-attr]
    assert np.allclose(restored[0].samples, clip.samples / 2)
    assert np.allclose(restored[1].samples, clip.samples * np.float32(0.4))
    with pytest.raises(AudioError, match=r"answers 422: silence is not for me$"):
        system.restore([Audio(np.zeros(160, np.float32), 16_000)], [0])  # type: ignore[union-attr]


def test_a_redirect_is_not_followed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Audio stays on this machine, whatever the server answers."""
    system = system_of(f"http:{address}")
    monkeypatch.setattr(Model, "redirect_to", "http://192.0.2.1/restore")
    with pytest.raises(AudioError, match="answers 307"):
        system.restore([Audio(np.ones(160, np.float32), 16_000)], [0])  # type: ignore[union-attr]
    with pytest.raises(RequestError, match="redirects elsewhere"):
        HttpSystem(address)
    assert HttpSystem.card.name == "http"


def test_a_served_model_is_on_the_board(address: str, cli: Cli) -> None:
    done = cli("run", "demo", "--systems", f"unprocessed,http:{address}", "--metrics", "si_sdr", "--limit", "2",
               "--store", "s", "--format", "csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"http:{address}" in done.stdout


def test_the_conformance_suite_finds_the_faults_of_a_served_model(address: str) -> None:
    assert {fault.check for fault in rb.check_system(f"http:{address}").faults} == {"gain", "finite", "silence"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("http:", "wanted http:HOST:PORT"),
        ("http:https://127.0.0.1:1", "wanted http:HOST:PORT"),
        ("http:10.0.0.1:80", "audio is sent to this machine only"),
        ("http:example.org", "audio is sent to this machine only"),
        ("http:127.0.0.1:9", "127.0.0.1:9/card does not answer"),
    ],
)
def test_an_unusable_address_is_refused_in_one_line(name: str, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        system_of(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("card", [{}, [], {"name": "x"}, {"name": "x", "version": 0}, {**CARD, "rate": "fast"}])
def test_an_invalid_card_is_refused_in_one_line(address: str, card: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "card", card)
    with pytest.raises(RequestError, match="/card is not a valid card") as caught:
        system_of(f"http:{address}")
    assert "\n" not in str(caught.value)
