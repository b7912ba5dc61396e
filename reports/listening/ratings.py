"""The database of a listening test: listeners by the hash of their link, and ratings that are final once acknowledged.

SQLite with a write-ahead log and `synchronous = FULL`: a rating is on the disk before the server acknowledges it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

FILE = "ratings.sqlite"
TABLES = """
CREATE TABLE IF NOT EXISTS listeners (number INTEGER PRIMARY KEY, link TEXT UNIQUE NOT NULL, made TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ratings (
    listener INTEGER NOT NULL REFERENCES listeners, trial INTEGER NOT NULL, answer TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (listener, trial)
);
"""


@dataclass(frozen=True)
class Answer:
    ratings: tuple[int, ...]
    """One rating per version; for a pair, one number: -1 (A is better), 0 or 1 (B is better)."""
    seconds: float
    """Time from the start of the trial to the answer."""
    plays: tuple[int, ...]
    """How often each version was played."""


@dataclass(frozen=True)
class Rating:
    listener: int
    trial: int
    answer: Answer
    at: str


class Ratings:
    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        with self._open() as database:
            database.executescript(TABLES)

    def add_listeners(self, count: int) -> list[tuple[int, str]]:
        """(number, token of the link) of new listeners. Tokens are random; only their hashes are stored."""
        added = []
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            [[first]] = database.execute("SELECT COALESCE(MAX(number) + 1, 0) FROM listeners")
            for number in range(first, first + count):
                token = secrets.token_urlsafe(32)
                database.execute("INSERT INTO listeners VALUES (?, ?, ?)", (number, _hashed(token), _now()))
                added.append((number, token))
            database.execute("COMMIT")
        return added

    def listener(self, token: str) -> int | None:
        """The listener of a link, or None."""
        with self._open() as database:
            row = database.execute("SELECT number FROM listeners WHERE link = ?", (_hashed(token),)).fetchone()
        return None if row is None else int(row[0])

    def answered(self, listener: int) -> int:
        """Number of trials that a listener has answered; these are the first trials, because the order is fixed."""
        with self._open() as database:
            [[count]] = database.execute("SELECT COUNT(*) FROM ratings WHERE listener = ?", (listener,))
        return int(count)

    def put(self, listener: int, trial: int, answer: Answer) -> bool:
        """Stores the first answer to a trial; returns whether the stored answer has the same ratings.

        A listener's trials are answered in order: an answer to a later trial than the next one is not stored.
        """
        text = json.dumps({"ratings": answer.ratings, "seconds": answer.seconds, "plays": answer.plays})
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            [[count]] = database.execute("SELECT COUNT(*) FROM ratings WHERE listener = ?", (listener,))
            if trial == count:
                database.execute("INSERT INTO ratings VALUES (?, ?, ?, ?)", (listener, trial, text, _now()))
            database.execute("COMMIT")
            stored = database.execute(
                "SELECT answer FROM ratings WHERE listener = ? AND trial = ?", (listener, trial)
            ).fetchone()
        return stored is not None and json.loads(stored[0])["ratings"] == list(answer.ratings)

    def all(self) -> list[Rating]:
        """Every rating, by listener and trial."""
        with self._open() as database:
            rows = database.execute("SELECT * FROM ratings ORDER BY listener, trial").fetchall()
        return [Rating(listener, trial, _answer(text), at) for listener, trial, text, at in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            yield database


def _answer(text: str) -> Answer:
    fields = json.loads(text)
    return Answer(tuple(fields["ratings"]), fields["seconds"], tuple(fields["plays"]))


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
