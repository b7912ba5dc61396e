"""A store as pandas frames, for notebooks and scripts: what boards and reports show, in numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from restorebench.benchmark.aggregate import Board, board_of, planned_records
from restorebench.benchmark.plan import Plan
from restorebench.benchmark.samples import Scores
from restorebench.benchmark.store import Store, open_store, plan_of
from restorebench.reports.leaderboard import columns


class Results:
    """The results of one suite of a store. Raises RequestError when there is no store."""

    def __init__(self, store: str | Path, suite: str = "") -> None:
        self.store: Store = open_store(Path(store))
        self.plan: Plan = plan_of(self.store, suite)
        self.records: pd.DataFrame = planned_records(self.plan, self.store)
        """One row per planned value of a clip; `value` is empty, and `why` says why, where it was not measured."""
        self.board: Board = board_of(self.plan, self.records)

    @property
    def scores(self) -> tuple[Scores, ...]:
        """Paired samples, one per condition and value."""
        return self.board.scores

    @property
    def scored(self) -> list[str]:
        """Systems with a score on every clip that any system has one for, the plan's first ones first."""
        cells = self.cells()
        whole = cells["value"].notna().groupby(cells["system"], sort=False).all()
        return [str(system) for system in self.plan.systems if whole.get(system, False)]

    @property
    def conditions(self) -> list[str]:
        return list(dict.fromkeys(found.condition for found in self.scores))

    def cells(self) -> pd.DataFrame:
        """A row per condition, system and value: value, 95 % interval, n, ranks, tie letters, winner."""
        rows = [
            {
                "condition": column.condition, "system": system, "value_name": column.value.name,
                "label": column.value.label, "value": entry.cell.value, "low": entry.cell.low,
                "high": entry.cell.high, "n": entry.cell.n, "planned": entry.cell.planned,
                "best_rank": entry.rank[0] if entry.rank else None,
                "worst_rank": entry.rank[1] if entry.rank else None, "ties": entry.ties, "winner": entry.winner,
            }
            for column in columns(self.board)
            for system, entry in column.entries.items()
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def leaderboard(self, condition: str) -> pd.DataFrame:
        """Systems by values of one condition."""
        cells = self.cells()
        here = cells[cells["condition"] == condition]
        order = [system for system in self.plan.systems if system in set(here["system"])]
        wide = here.pivot_table(index="system", columns="label", values="value", sort=False)
        return wide.reindex(order)

    def clips(self, condition: str, value_name: str) -> pd.DataFrame:
        """Clips by systems: the scores of one value."""
        [found] = [s for s in self.scores if (s.condition, s.value.name) == (condition, value_name)]
        return pd.DataFrame(found.per_clip().T, index=pd.Index(found.clips, name="clip"), columns=list(found.systems))
