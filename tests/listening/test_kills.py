"""A server that is killed at any moment loses no rating that was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from restorebench.reports.listening.ratings import Ratings
from tests.listening.conftest import Served, serve

KILLS = 50


class Listener(threading.Thread):
    """Answers trial after trial while the server is there; notes what was acknowledged."""

    def __init__(self, one: Served, link: str, acknowledged: dict[int, int]) -> None:
        super().__init__()
        self.one, self.link, self.acknowledged = one, link, acknowledged

    def run(self) -> None:
        while True:
            trial = len(self.acknowledged)
            rating = 1 + trial % 5
            body = {"trial": trial, "ratings": [rating], "seconds": 1.0, "plays": [1]}
            try:
                status, _, _ = self.one.ask(f"{self.link}/rating", body)
            except OSError:
                return  # the server is gone
            if status == 422:
                return  # all trials are answered
            assert status == 200
            self.acknowledged[trial] = rating


@pytest.mark.heavy
def test_fifty_kills(make: Callable[..., Path]) -> None:
    folder = make("mos", "--clips", "8", "--checks", "5")
    clock = random.Random(0)
    port, total = 0, 0
    acknowledged: dict[str, dict[int, int]] = {}
    for _ in range(KILLS):
        one = serve(folder, port)
        port = one.port
        links = [one.link(), *list(acknowledged)[-1:]]
        threads = [Listener(one, link, acknowledged.setdefault(link, {})) for link in links]
        for thread in threads:
            thread.start()
        time.sleep(clock.uniform(0.0, 0.25))
        one.process.kill()
        one.end()
        for thread in threads:
            thread.join(30)
    ratings = Ratings(folder)
    for link, kept in acknowledged.items():
        listener = ratings.listener(link.rpartition("/")[2])
        found = {r.trial: r.answer.ratings[0] for r in ratings.all() if r.listener == listener}
        assert kept.items() <= found.items()
        assert len(found) <= len(kept) + 1, "at most the one whose reply was lost"
        total += len(kept)
    assert total > 5 * KILLS
