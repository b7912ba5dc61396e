"""The web application of a listening test: one page and three other addresses per listener, no external resources.

    /s/TOKEN                        the page of the listener with this link
    /s/TOKEN/state                  the question, and the next trial
    /s/TOKEN/sound/TRIAL/VERSION    a sound of a trial that the listener may hear
    /s/TOKEN/rating                 POST: an answer, acknowledged when it is on the disk

A request names no file: a sound is identified by its place in the listener's own list of trials.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from restorebench.reports.listening.design import Trial
from restorebench.reports.listening.listening_test import QUESTIONS, SCALES, SOUNDS, ListeningTest, read_test
from restorebench.reports.listening.ratings import Answer, Ratings

LARGEST_BODY = 10_000
STATIC = {"listen.css": "text/css", "listen.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Headers of every response. They keep the listener's link out of referrers and caches."""
TEMPLATES = Environment(
    loader=PackageLoader("restorebench.reports.listening"), autoescape=select_autoescape(), undefined=StrictUndefined
)
RATING_RANGE = {"mos": (1, 5), "dmos": (1, 5), "mushra": (0, 100), "ab": (-1, 1)}
"""Kind of test -> lowest and highest rating."""


class Sent(BaseModel):
    """An answer as the page sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: Annotated[StrictInt, Field(ge=0, le=100_000)]
    ratings: Annotated[list[StrictInt], Field(min_length=1, max_length=64)]
    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    plays: Annotated[list[Annotated[StrictInt, Field(ge=0, le=100_000)]], Field(max_length=65)]


class Application:
    def __init__(self, folder: Path) -> None:
        """Raises RequestError when the folder has no listening test."""
        self.folder, self.test, self.ratings = folder, read_test(folder), Ratings(folder)
        self.static = {name: (Path(__file__).parent / "templates" / name).read_bytes() for name in STATIC}

    async def page(self, request: Request) -> Response:
        await self._listener(request)
        test = self.test
        known = {"kind": test.kind, "question": QUESTIONS[test.kind], "scale": SCALES[test.kind]}
        return HTMLResponse(TEMPLATES.get_template("listen.html.j2").render(known))

    async def state(self, request: Request) -> Response:
        listener = await self._listener(request)
        trials = self.test.trials(listener)
        answered = await run_in_threadpool(self.ratings.answered, listener)
        content: dict[str, Any] = {"trials": len(trials), "answered": answered}
        if answered < len(trials):
            content |= {"versions": len(self.test.sounds_of(trials[answered])), "reference": self.test.has_reference}
            content |= {"rated": _rated(trials[answered], self.test)}
        return JSONResponse(content)

    async def sound(self, request: Request) -> Response:
        listener = await self._listener(request)
        trial, version = request.path_params["trial"], request.path_params["version"]
        trials = self.test.trials(listener)
        answered = await run_in_threadpool(self.ratings.answered, listener)
        if trial > min(answered, len(trials) - 1):
            raise HTTPException(404, "no such sound")
        files = self.test.sounds_of(trials[trial])
        if version >= len(files):
            raise HTTPException(404, "no such sound")
        return FileResponse(self.folder / SOUNDS / files[version], media_type="audio/wav")

    async def rating(self, request: Request) -> Response:
        listener = await self._listener(request)
        sent = Sent.model_validate_json(await _body(request))
        trials = self.test.trials(listener)
        if sent.trial >= len(trials):
            raise HTTPException(422, "no such trial")
        low, high = RATING_RANGE[self.test.kind]
        if len(sent.ratings) != (wanted := _rated(trials[sent.trial], self.test)):
            raise HTTPException(422, f"got {len(sent.ratings)} ratings; this trial needs {wanted}")
        if not all(low <= rating <= high for rating in sent.ratings):
            raise HTTPException(422, f"a rating is out of range; wanted {low} to {high}")
        answer = Answer(tuple(sent.ratings), sent.seconds, tuple(sent.plays))
        if not await run_in_threadpool(self.ratings.put, listener, sent.trial, answer):
            raise HTTPException(409, "this trial already has another answer, or an earlier trial has none")
        return JSONResponse({"kept": sent.trial})

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name == "favicon.ico":  # every browser asks for it
            return Response(status_code=204)
        if name not in self.static:
            raise HTTPException(404, "no such page")
        return Response(self.static[name], media_type=STATIC[name])

    async def _listener(self, request: Request) -> int:
        listener = await run_in_threadpool(self.ratings.listener, request.path_params["token"])
        if listener is None:
            raise HTTPException(404, "no such link; ask for a new one")
        return listener


def application(folder: Path) -> ASGIApp:
    """The web application of the test in a folder. Raises RequestError."""
    app = Application(folder)
    routes = [
        Route("/s/{token}", app.page),
        Route("/s/{token}/state", app.state),
        Route("/s/{token}/sound/{trial:int}/{version:int}", app.sound),
        Route("/s/{token}/rating", app.rating, methods=["POST"]),
        Route("/{name}", app.asset),
    ]
    handlers: Any = {HTTPException: _refused, ValidationError: _invalid}
    served = Starlette(routes=routes, exception_handlers=handlers)
    served.router.redirect_slashes = False
    return with_headers(served)


def with_headers(served: ASGIApp) -> ASGIApp:
    """The application with the security headers on every response, also on the response to an internal error."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await served(scope, receive, sent)

    return answer


def _rated(trial: Trial, test: ListeningTest) -> int:
    """Number of ratings of a trial: one per version, but only one for a pair."""
    return 1 if test.kind == "ab" else len(trial.systems)


async def _body(request: Request) -> bytes:
    """The body of a rating, which must be JSON from this page. Raises HTTPException."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "wanted application/json")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "ratings are accepted only from the page of the listening test")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"at most {LARGEST_BODY} bytes")
    return body


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code, error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    fault = error.errors()[0]
    return JSONResponse({"field": [str(part) for part in fault["loc"]], "fault": fault["msg"]}, 422)
