"""A model behind a server on this machine, named as `http:127.0.0.1:8000`: for models in other languages or containers.

The server answers two requests:

    GET  /card      JSON: name, version (integer), summary; if it applies, rate (Hz), stochastic, identity (a hash
                    of the weights), parameters, licence, source, delay_s
    POST /restore   body and answer: WAV, mono, 32-bit float, equal rate and length; header `X-Seed`: an integer.
                    A status other than 200 is recorded as a failure of the clip, with the first line of the answer.

Version and identity are part of the cache key: a server whose model changes must change one of them.
"""

from __future__ import annotations

import io
import ipaddress
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import soundfile
from pydantic import ValidationError

from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.errors import AudioError, AwayError, RequestError
from restorebench.benchmark.types import Audio

CARD_TIMEOUT_S, RESTORE_TIMEOUT_S = 10.0, 600.0
STATED = ("version", "summary", "rate", "stochastic", "identity", "parameters", "licence", "source", "delay_s")
"""Fields of the system card that a server may set."""


class HttpSystem:
    card = SystemCard(
        name="http",
        version=1,
        summary="http:HOST:PORT, any model behind a server on this machine",
        source="systems/served/http.py for the protocol",
        licence="the model's",
        argument="HOST:PORT",
    )

    def __init__(self, address: str = "") -> None:
        """address: `127.0.0.1:8000`, optionally with a path. Raises RequestError for the address of another machine."""
        parts = urlsplit(address if "//" in address else f"//{address}")
        if parts.scheme not in ("", "http") or not parts.hostname:
            raise RequestError(f"http:{address}: wanted http:HOST:PORT, as in http:127.0.0.1:8000")
        if not _is_loopback(parts.hostname):
            raise RequestError(f"http:{address}: audio is sent to this machine only, wanted localhost or 127.0.0.1")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        authority = f"{host}:{parts.port or 80}{parts.path.rstrip('/')}"
        self.url = f"http://{authority}"
        self.card = self._card(f"http:{authority}")

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [self._restore(audio, seed) for audio, seed in zip(batch, seeds, strict=True)]

    @cached_property
    def _session(self) -> Any:
        """One HTTP session for all clips, which uses no proxy."""
        import requests

        session = requests.Session()
        session.trust_env = False
        return session

    def _card(self, name: str) -> SystemCard:
        import requests

        try:
            answer = self._session.get(f"{self.url}/card", timeout=CARD_TIMEOUT_S, allow_redirects=False)
            answer.raise_for_status()
            if answer.is_redirect:
                raise RequestError(f"{name}: {self.url}/card redirects elsewhere; audio is sent to this machine only")
            stated = answer.json()
            facts = {key: stated[key] for key in STATED if key in stated}
            return SystemCard(**{"summary": str(stated["name"]), "source": self.url, **facts, "name": name})
        except requests.RequestException as error:
            raise RequestError(f"{name}: {self.url}/card does not answer ({_first_line(str(error))})") from error
        except (ValidationError, KeyError, TypeError) as error:
            raise RequestError(f"{name}: {self.url}/card is not a valid card: {_first_line(str(error))}") from error

    def _restore(self, audio: Audio, seed: int) -> Audio:
        import requests

        sent = io.BytesIO()
        soundfile.write(sent, audio.samples, audio.rate, format="WAV", subtype="FLOAT")
        headers = {"Content-Type": "audio/wav", "X-Seed": str(seed)}
        try:
            answer = self._session.post(
                f"{self.url}/restore",
                data=sent.getvalue(),
                headers=headers,
                timeout=RESTORE_TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise AwayError(f"{self.url}/restore: {_first_line(str(error))}") from error
        if answer.status_code != requests.codes.ok:
            raise AudioError(f"{self.url}/restore answers {answer.status_code}: {_first_line(answer.text)}")
        try:
            samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self.url}/restore: the answer is not a WAV file ({error})") from error
        if samples.ndim != 1:
            raise AudioError(f"{self.url}/restore: the answer has {samples.shape[1]} channels; wanted mono")
        return Audio(samples, rate)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:200] if text.strip() else "nothing"
