"""A server that is killed at any moment loses no rating that was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pytest

from restorebench.reports.listening.ratings import Ratings
from tests.listening.conftest import Served, serve

KILLS = 50


class Listener(threading.Thread):
    """Answers one trial after another until the server is gone, and records the acknowledged ratings."""

    def __init__(self, server: Served, link: str, acknowledged: dict[int, int]) -> None:
        super().__init__()
        self.server, self.link, self.acknowledged = server, link, acknowledged

    def run(self) -> None:
        while True:
            trial = len(self.acknowledged)
            rating = 1 + trial % 5
            body = {"trial": trial, "ratings": [rating], "seconds": 1.0, "plays": [1]}
            try:
                status, _, _ = self.server.ask(f"{self.link}/rating", body)
            except (OSError, HTTPException):
                return  # the server is gone, perhaps in the middle of a reply
            if status == 422:
                return  # all trials are answered
            assert status == 200
            self.acknowledged[trial] = rating


@pytest.mark.heavy
def test_fifty_kills_lose_no_acknowledged_rating(make: Callable[..., Path]) -> None:
    folder = make("mos", "--clips", "8", "--checks", "5")
    delays = random.Random(0)
    port, total = 0, 0
    acknowledged: dict[str, dict[int, int]] = {}
    for _ in range(KILLS):
        server = serve(folder, port)
        port = server.port
        links = [server.link(), *list(acknowledged)[-1:]]
        threads = [Listener(server, link, acknowledged.setdefault(link, {})) for link in links]
        for thread in threads:
            thread.start()
        time.sleep(delays.uniform(0.0, 0.25))
        server.process.kill()
        server.end()
        for thread in threads:
            thread.join(30)
    ratings = Ratings(folder)
    for link, confirmed in acknowledged.items():
        listener = ratings.listener(link.rpartition("/")[2])
        stored = {r.trial: r.answer.ratings[0] for r in ratings.all() if r.listener == listener}
        assert confirmed.items() <= stored.items()
        assert len(stored) <= len(confirmed) + 1, "only one rating may lack its reply"
        total += len(confirmed)
    assert total > 5 * KILLS
