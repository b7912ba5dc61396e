"""What a listening test says: scores with intervals, who was not attentive, and how far the listeners agree.

Ratings are a CSV (`listen export` writes it, and other tests can too) with the columns listener, clip, system, value
and, for checks, `passed` (1 or 0); a pair has the columns other and value (1: `system` is better, 0, -1).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from restorebench.benchmark.data.tables import read_csv
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
"""A listener with at least so many wrong answers to checks, and with a larger share of them, is left out: one answer
leaves nobody out, since a strict listener may well call a clean clip fair."""
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
        told = "" if right is None else int(right)
        if test.kind == "ab":
            first, second = trial.systems
            better = -rating.answer.ratings[0]
            rows.append({**shared, "system": first, "other": second, "value": better, "passed": told})
            continue
        for system, value in zip(trial.systems, rating.answer.ratings, strict=True):
            hidden = test.kind == "mushra" and system == "reference"
            row = {**shared, "system": system, "other": "", "value": value}
            rows.append({**row, "passed": int(value >= HIDDEN_REFERENCE) if hidden else told})
    return rows


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue()


def read_ratings(path: Path) -> pd.DataFrame:
    """The ratings of a CSV, one row each. Raises RequestError naming the line at fault."""
    rows = read_csv(path, ("listener", "clip", "system", "value"))
    for number, row in enumerate(rows, start=2):
        if not _is_number(row["value"]):
            raise RequestError(f"{path}, line {number}: value {row['value']!r} is not a number")
        if row.get("passed", "") not in ("", "0", "1"):
            raise RequestError(f"{path}, line {number}: passed {row['passed']!r} is neither 0 nor 1, nor empty")
    if not rows:
        raise RequestError(f"{path}: holds no ratings")
    table = pd.DataFrame(rows)
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
    """The ratings that count: of attentive listeners, and without the clips that are checks alone."""
    out = listeners_of(table).inattentive
    kept = table[~table["listener"].isin(out)]
    hidden_reference = kept["system"] == "reference"
    return kept[(kept["passed"] == "") | hidden_reference]


def scores(table: pd.DataFrame) -> dict[str, Effects]:
    """System -> mean rating with its random effects, over the ratings that count; of pairs, the share of wins.

    A win counts 1, no difference a half. Raises RequestError when no rating counts.
    """
    kept = counted(table)
    if not len(kept):
        raise RequestError("no rating counts: every listener failed the checks, or only checks were answered")
    if is_of_pairs(kept):
        mirrored = kept.assign(system=kept["other"], other=kept["system"], value=-kept["value"])
        kept = pd.concat([kept, mirrored], ignore_index=True)
        kept = kept.assign(value=(kept["value"] + 1) / 2)
    kept = kept.assign(item=kept["condition"] + "/" + kept["clip"] + "/" + kept["seed"])
    return {
        str(system): effects(part["value"].tolist(), part["listener"].tolist(), part["item"].tolist())
        for system, part in kept.groupby("system")
    }


def agreement(table: pd.DataFrame) -> Effects:
    """The effects of all ratings together; an item is a version of a clip."""
    kept = counted(table)
    if is_of_pairs(kept):  # one order for each pair, or its two orders would count as items that disagree
        turned = kept["system"] > kept["other"]
        kept = kept.assign(
            system=kept["system"].where(~turned, kept["other"]),
            other=kept["other"].where(~turned, kept["system"]),
            value=kept["value"].where(~turned, -kept["value"]),
        )
    parts = ("condition", "clip", "seed", "system", "other")
    items = ["/".join(row) for row in kept[list(parts)].itertuples(index=False)]
    return effects(kept["value"].tolist(), kept["listener"].tolist(), items)


def is_of_pairs(table: pd.DataFrame) -> bool:
    return bool((table["other"] != "").any())


def tables(table: pd.DataFrame) -> list[Table]:
    """Scores, and one row per listener."""
    rows = []
    for system, found in sorted(scores(table).items(), key=lambda pair: -pair[1].mean):
        bounds = ("", "", "")
        if interval := found.interval:
            half = (interval.high - interval.low) / 2
            bounds = (f"{half:.2f}", f"{interval.low:.2f}", f"{interval.high:.2f}")
        counts = (found.ratings, found.listeners, found.items)
        rows.append((system, f"{found.mean:.2f}", *bounds, *map(str, counts)))
    together, people = agreement(table).agreement, listeners_of(table)
    told = f"{together:.2f}" if math.isfinite(together) else "these ratings cannot tell"
    notes = (
        "Intervals of 95 %: listeners and clips are random effects.",
        f"Agreement of the listeners, ICC(2,1): {told}.",
        *(
            f"Listener {name} is left out: {people.checks[name][0]} of {people.checks[name][1]} checks are wrong."
            for name in people.inattentive
        ),
    )
    label = "share of wins" if is_of_pairs(table) else "mean"
    columns = ("system", label, "±", "low", "high", "ratings", "listeners", "clips")
    listeners = tuple(
        (
            name,
            str(int((table["listener"] == name).sum())),
            f"{wrong} of {count}",
            "left out" if name in people.inattentive else "",
        )
        for name, (wrong, count) in people.checks.items()
    )
    return [
        Table("Listening test", columns, tuple(rows), notes),
        Table("Listeners", ("listener", "answers", "wrong checks", ""), listeners),
    ]


def means(table: pd.DataFrame, suite: str) -> str:
    """Mean rating of each version of a clip as a CSV, as `restorebench score --import` reads it.

    Raises RequestError for ratings that are no MOS, or that are of another suite.
    """
    kept = counted(table)
    kinds, suites = ({name for name in set(kept[column]) if name} for column in ("kind", "suite"))
    if is_of_pairs(kept) or kinds - {"mos"}:
        raise RequestError(f"ratings of kind {', '.join(sorted(kinds)) or 'ab'} are no MOS; wanted those of kind mos")
    if suites - {suite}:
        raise RequestError(
            f"the ratings are of {', '.join(sorted(suites))}; the store's suite is {suite}: name --suite"
        )
    if not kept["value"].between(LOWEST_MOS, HIGHEST_MOS).all():
        raise RequestError(f"a rating is not within {LOWEST_MOS} to {HIGHEST_MOS}; wanted opinion scores")
    grouped = kept.groupby(["system", "clip", "condition", "seed"], sort=True)["value"].mean()
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("system", "id", "condition", "seed", "value"))
    writer.writerows((*key, repr(float(value))) for key, value in grouped.items())  # type: ignore[misc]
    return sink.getvalue()
