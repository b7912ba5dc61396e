"""The records of a plan: one row per planned value."""

from __future__ import annotations

import pandas as pd

from restorebench.benchmark.plan.keys import score_key
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.store.store import Store


def planned_records(plan: Plan, store: Store) -> pd.DataFrame:
    """One row per planned value, in the plan's order; `done` is False for a value without a record."""
    records = pd.concat([store.table(rows).to_pandas() for rows in ("scores", "timings")], ignore_index=True)
    records = records[["key", "value_name", "value", "components", "why"]].assign(done=True)
    planned = []
    for job in plan.jobs:
        for name in plan.metrics_for(job):
            key = score_key(job, plan.metric_cards[name], plan.signatures[name])
            for value in plan.metric_cards[name].values:
                trial = job.trial
                planned.append(
                    (
                        trial.condition,
                        trial.utterance.id,
                        trial.utterance.speaker,
                        job.system,
                        job.draw,
                        name,
                        value.name,
                        key,
                    )
                )
    columns = ["condition", "utterance", "speaker", "system", "seed", "metric", "value_name", "key"]
    rows = pd.DataFrame(planned, columns=columns).merge(records, on=["key", "value_name"], how="left")
    rows["done"] = rows["done"].eq(True)
    rows["why"] = rows["why"].where(rows["done"], "not measured yet").fillna("")
    return rows
