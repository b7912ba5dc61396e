"""The analysis of a listening test: scores with intervals, inattentive listeners, and the agreement of the listeners.

Ratings are read from a CSV, written by `listen export` or by other software, with the columns listener, clip, system,
value and, for checks, `passed` (1 or 0). For a pair, the column `other` names the second system, and value is 1 if
`system` is better, -1 if `other` is better, and 0 if there is no difference.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from restorebench.benchmark.data.tables import numbered_rows
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Table
from restorebench.reports.listening.design import passed
from restorebench.reports.listening.effects import Effects, effects
from restorebench.reports.listening.listening_test import ListeningTest
from restorebench.reports.listening.ratings import Rating

COLUMNS = (
    "kind",
    "suite",
    "listener",
    "trial",
    "clip",
    "condition",
    "seed",
    "system",
    "other",
    "value",
    "passed",
    "seconds",
    "at",
)
FEWEST_WRONG, MOST_WRONG = 2, 0.25
"""A listener with at least `FEWEST_WRONG` wrong answers to checks is left out if their share of the checks exceeds
`MOST_WRONG`. One wrong answer is not enough, because a strict listener may rate a clean clip as fair."""
HIDDEN_REFERENCE = 90
"""Lowest rating of MUSHRA's hidden reference that counts as right, as in ITU-R BS.1534."""
LOWEST_MOS, HIGHEST_MOS = 1, 5


@dataclass(frozen=True)
class Listeners:
    """How the listeners answered the checks."""

    checks: Mapping[str, tuple[int, int]]
    """Listener -> (wrong answers, checks)."""

    @property
    def inattentive(self) -> list[str]:
        return [
            name for name, (wrong, count) in self.checks.items() if wrong >= FEWEST_WRONG and wrong / count > MOST_WRONG
        ]


def rows_of(test: ListeningTest, ratings: Sequence[Rating]) -> list[dict[str, object]]:
    """One row per rated version, or per pair."""
    clips = {clip.key: clip for clip in test.clips}
    trials = {listener: test.trials(listener) for listener in {rating.listener for rating in ratings}}
    rows: list[dict[str, object]] = []
    for rating in ratings:
        trial = trials[rating.listener][rating.trial]
        clip = clips[trial.clip]
        shared = {
            "kind": test.kind, "suite": test.name, "listener": rating.listener + 1, "trial": rating.trial + 1,
            "clip": clip.id, "condition": clip.condition, "seed": clip.draw,
            "seconds": round(rating.answer.seconds, 3), "at": rating.at,
        }  # fmt: skip
        right = passed(trial, list(rating.answer.ratings))
        passed_column = "" if right is None else int(right)
        if test.kind == "ab":
            first, second = trial.systems
            better = -rating.answer.ratings[0]
            rows.append({**shared, "system": first, "other": second, "value": better, "passed": passed_column})
            continue
        for system, value in zip(trial.systems, rating.answer.ratings, strict=True):
            hidden = test.kind == "mushra" and system == "reference"
            row = {**shared, "system": system, "other": "", "value": value}
            rows.append({**row, "passed": int(value >= HIDDEN_REFERENCE) if hidden else passed_column})
    return rows


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue()


def read_ratings(path: Path) -> pd.DataFrame:
    """The ratings of a CSV, one row each. Raises RequestError that names the faulty line."""
    rows = numbered_rows(path, ("listener", "clip", "system", "value"))
    for number, row in rows:
        if not _is_number(row["value"]):
            raise RequestError(f"{path}, line {number}: value {row['value']!r} is not a number")
        if row.get("passed", "") not in ("", "0", "1"):
            raise RequestError(f"{path}, line {number}: passed is {row['passed']!r}; wanted 0, 1 or nothing")
    if not rows:
        raise RequestError(f"{path}: holds no ratings")
    table = pd.DataFrame([row for _, row in rows])
    for column in ("other", "passed", "condition", "seed", "kind", "suite"):
        table[column] = table.get(column, "")
    return table.assign(value=table["value"].astype(float))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def listeners_of(table: pd.DataFrame) -> Listeners:
    checks = table[table["passed"] != ""]
    wrong = (checks["passed"] == "0").groupby(checks["listener"]).agg(["sum", "count"])
    counts = {str(name): (int(row["sum"]), int(row["count"])) for name, row in wrong.iterrows()}
    return Listeners({str(name): counts.get(str(name), (0, 0)) for name in sorted(set(table["listener"]))})


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """The ratings that count: those of attentive listeners, without the trials that are only checks."""
    inattentive = listeners_of(table).inattentive
    attentive = table[~table["listener"].isin(inattentive)]
    hidden_reference = attentive["system"] == "reference"
    return attentive[(attentive["passed"] == "") | hidden_reference]


def scores(table: pd.DataFrame) -> dict[str, Effects]:
    """System -> mean rating and variances of the random effects, over the ratings that count.

    For pairs, the mean is the share of wins: a win counts 1, no difference 0.5.
    Raises RequestError when no rating counts.
    """
    ratings = counted(table)
    if not len(ratings):
        raise RequestError("no rating counts: every listener failed the checks, or only checks were answered")
    if is_of_pairs(ratings):
        mirrored = ratings.assign(system=ratings["other"], other=ratings["system"], value=-ratings["value"])
        ratings = pd.concat([ratings, mirrored], ignore_index=True)
        ratings = ratings.assign(value=(ratings["value"] + 1) / 2)
    ratings = ratings.assign(item=ratings["condition"] + "/" + ratings["clip"] + "/" + ratings["seed"])
    return {
        str(system): effects(part["value"].tolist(), part["listener"].tolist(), part["item"].tolist())
        for system, part in ratings.groupby("system")
    }


def agreement(table: pd.DataFrame) -> Effects:
    """The effects of all ratings together; an item is a version of a clip."""
    ratings = counted(table)
    if is_of_pairs(ratings):  # each pair gets one order: its two orders would count as different items
        turned = ratings["system"] > ratings["other"]
        ratings = ratings.assign(
            system=ratings["system"].where(~turned, ratings["other"]),
            other=ratings["other"].where(~turned, ratings["system"]),
            value=ratings["value"].where(~turned, -ratings["value"]),
        )
    parts = ("condition", "clip", "seed", "system", "other")
    items = ["/".join(row) for row in ratings[list(parts)].itertuples(index=False)]
    return effects(ratings["value"].tolist(), ratings["listener"].tolist(), items)


def is_of_pairs(table: pd.DataFrame) -> bool:
    return bool((table["other"] != "").any())


def tables(table: pd.DataFrame) -> list[Table]:
    """Scores, and one row per listener."""
    rows = []
    for system, effect in sorted(scores(table).items(), key=lambda pair: -pair[1].mean):
        bounds = ("", "", "")
        if interval := effect.interval:
            half = (interval.high - interval.low) / 2
            bounds = (f"{half:.2f}", f"{interval.low:.2f}", f"{interval.high:.2f}")
        counts = (effect.ratings, effect.listeners, effect.items)
        rows.append((system, f"{effect.mean:.2f}", *bounds, *map(str, counts)))
    icc, checked = agreement(table).agreement, listeners_of(table)
    icc_text = f"{icc:.2f}" if math.isfinite(icc) else "cannot be computed from these ratings"
    notes = (
        "The intervals are 95 % intervals; listeners and clips are random effects.",
        f"Agreement of the listeners, ICC(2,1): {icc_text}.",
        *(
            f"Listener {name} is left out: {checked.checks[name][0]} of {checked.checks[name][1]} checks are wrong."
            for name in checked.inattentive
        ),
    )
    label = "share of wins" if is_of_pairs(table) else "mean"
    columns = ("system", label, "±", "low", "high", "ratings", "listeners", "clips")
    listeners = tuple(
        (
            name,
            str(int((table["listener"] == name).sum())),
            f"{wrong} of {count}",
            "left out" if name in checked.inattentive else "",
        )
        for name, (wrong, count) in checked.checks.items()
    )
    return [
        Table("Listening test", columns, tuple(rows), notes),
        Table("Listeners", ("listener", "answers", "wrong checks", ""), listeners),
    ]


def means(table: pd.DataFrame, suite: str) -> str:
    """Mean rating of each version of a clip as a CSV, as `restorebench score --import` reads it.

    Raises RequestError for ratings that are no MOS, or that are of another suite.
    """
    ratings = counted(table)
    kinds, suites = ({name for name in set(ratings[column]) if name} for column in ("kind", "suite"))
    if is_of_pairs(ratings) or kinds - {"mos"}:
        raise RequestError(f"ratings of kind {', '.join(sorted(kinds)) or 'ab'} are no MOS; wanted those of kind mos")
    if suites - {suite}:
        raise RequestError(
            f"the ratings are of {', '.join(sorted(suites))}; the store's suite is {suite}: name --suite"
        )
    if not ratings["value"].between(LOWEST_MOS, HIGHEST_MOS).all():
        raise RequestError(f"a rating is not within {LOWEST_MOS} to {HIGHEST_MOS}; wanted opinion scores")
    grouped = ratings.groupby(["system", "clip", "condition", "seed"], sort=True)["value"].mean()
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("system", "id", "condition", "seed", "value"))
    writer.writerows((*key, repr(float(value))) for key, value in grouped.items())  # type: ignore[misc]
    return sink.getvalue()
