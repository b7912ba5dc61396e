"""Imports scores of a metric that cannot run here (in-house model, listening test) from a table into a store.

The metric has a name of its own, and the table's hash is part of the metric's signature. Imported scores can therefore
not be mistaken for scores that were computed here, and scores of two tables are never mixed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from restorebench.benchmark import registry
from restorebench.benchmark.components import metric_card
from restorebench.benchmark.contracts import MetricCard, Value
from restorebench.benchmark.data.locations import file_sha256
from restorebench.benchmark.data.tables import numbered_rows
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.keys import signature
from restorebench.benchmark.plan.plan import Job, Plan
from restorebench.benchmark.run.scoring import record
from restorebench.benchmark.store.store import Store
from restorebench.benchmark.types import Outcome

NEEDED = ("system", "id", "value")
OPTIONAL = ("condition", "seed")


def import_scores(store: Store, plan: Plan, table: Path, metric: str, lower_is_better: bool = False) -> int:
    """Reads scores into a store and returns their number.

    `table` is a CSV with the columns system, id and value; the optional columns condition and seed
    distinguish clips with the same id.
    Raises RequestError, and writes nothing, unless each row fits exactly one clip.
    """
    rows = _read(table)
    card = _card(metric, file_sha256(table), lower_is_better)
    metric_cards = {**plan.metric_cards, metric: card}
    planned = replace(
        plan, metric_cards=metric_cards, signatures={**plan.signatures, metric: signature(card, plan.suite.synthesizer)}
    )
    [value] = card.values
    scores = [
        record(job, card, value.name, Outcome(float(row["value"]))) for row in rows for job in _jobs(plan, row, table)
    ]
    if len({one.key for one in scores}) < len(scores):
        raise RequestError(f"{table}: two rows score the same clip; give one per system, id, condition and seed")
    store.put("scores", scores)
    store.put_plan(planned)
    return len(scores)


def _read(table: Path) -> list[dict[str, str]]:
    """The table's rows as text, so that a clip may be called NA; a blank condition or seed counts as not given."""
    rows = numbered_rows(table, NEEDED)
    if not rows:
        raise RequestError(f"{table}: has no rows below its header; add one per score")
    for number, row in rows:
        if _number(row["value"]) is None:
            raise RequestError(f"{table}, line {number}: value {row['value']!r} is not a number")
        if row.get("seed") and not row["seed"].isdecimal():
            raise RequestError(f"{table}, line {number}: seed {row['seed']!r} is not a whole number")
    return [row for _, row in rows]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None  # Python reads 1_0 as ten


def _card(name: str, sha256: str, lower_is_better: bool) -> MetricCard:
    if name in registry.targets_by_name("metrics"):
        known = registry.card("metrics", name)
        assert isinstance(known, MetricCard)
        if not known.imported:
            raise RequestError(f"{name} is computed here, so its scores cannot be imported; give another name")
        return known.model_copy(update={"identity": sha256})
    computed = {v.name: other for other in registry.targets_by_name("metrics") for v in metric_card(other).values}
    if ":" in name:
        raise RequestError(f"{name} has a colon, which names of metrics cannot have; give another name")
    if name in computed:
        raise RequestError(f"{name} is a value of {computed[name]}; give another name")
    return MetricCard(
        name=name,
        version=1,
        summary="Imported scores",
        source="the imported table",
        needs=frozenset(),
        definition="imported",
        identity=sha256,
        imported=True,
        values=(Value(name=name, label=name, unit="", direction="lower" if lower_is_better else "higher"),),
    )


def _jobs(plan: Plan, row: Mapping[str, str], table: Path) -> list[Job]:
    """A list of the one job that a row refers to. Raises RequestError when the row fits none or several."""
    wanted = {name: row[name] for name in OPTIONAL if row.get(name)}
    fitting = [
        job
        for job in plan.jobs
        if (job.system, job.trial.utterance.id) == (row["system"], row["id"])
        and wanted.get("condition", job.trial.condition) == job.trial.condition
        and int(wanted.get("seed", job.draw)) == job.draw  # as in records.csv, a seed is the number of the draw
    ]
    if not fitting:
        raise RequestError(f"{table}: {plan.suite.name} has no clip {row['id']!r} of {row['system']!r} {wanted or ''}")
    if len(fitting) > 1:
        raise RequestError(
            f"{table}: {row['id']!r} of {row['system']!r} fits {len(fitting)} clips; add a column condition or seed"
        )
    return fitting
