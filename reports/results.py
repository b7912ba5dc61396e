"""The results of a store as pandas frames, for notebooks and scripts: the numbers that boards and reports show."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from restorebench.benchmark.analysis.board import Board, board_of
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.store.records import planned_records
from restorebench.benchmark.store.store import Store, open_store, plan_of
from restorebench.reports.formats import html
from restorebench.reports.tables.board import results as board_tables
from restorebench.reports.tables.breakdown import facts_of
from restorebench.reports.tables.compare import compared, named
from restorebench.reports.tables.leaderboard import columns


class Results:
    """The results of one suite of a store.

    Args:
        store: Folder that `run` or `evaluate` filled.
        suite: A suite of the store; default: the latest one.

    Raises:
        RequestError: There is no store, or it does not hold the suite.

    Example:
        >>> import restorebench as rb
        >>> results = rb.open_results(demo_store)
        >>> bool(results.board().loc["unprocessed", "LSD"] > 1)
        True
    """

    def __init__(self, store: str | Path, suite: str = "") -> None:
        self.store: Store = open_store(Path(store))
        self.plan: Plan = plan_of(self.store, suite)
        self.records: pd.DataFrame = planned_records(self.plan, self.store)
        """One row per planned value of a clip; without a measurement, `value` is empty and `why` has the reason."""
        self.summary: Board = board_of(self.plan, self.records)
        """The board of the suite: cells and paired scores, from which tables are made."""

    def __repr__(self) -> str:
        measured = len(self.records) - int(self.records["value"].isna().sum())
        return f"<Results of {self.plan.suite.name}: {', '.join(self.plan.systems)}; {measured} values>"

    def _repr_html_(self) -> str:
        return html(board_tables(self.summary))

    @property
    def paired(self) -> tuple[PairedScores, ...]:
        """Paired scores, one object per condition and value."""
        return self.summary.scores

    @property
    def scores(self) -> pd.DataFrame:
        """One row per measured value of a clip: condition, clip, speaker, system, seed, value_name, value."""
        measured = self.records[self.records["value"].notna()]
        names = ["condition", "utterance", "speaker", "system", "seed", "value_name", "value"]
        return measured[names].rename(columns={"utterance": "clip"}).reset_index(drop=True)

    @property
    def scored(self) -> list[str]:
        """Systems that have a value in each of their cells, in the plan's order."""
        cells = self.cells()
        whole = cells["value"].notna().groupby(cells["system"], sort=False).all()
        return [str(system) for system in self.plan.systems if whole.get(system, False)]

    @property
    def conditions(self) -> list[str]:
        """Conditions with scores, in the suite's order."""
        return list(dict.fromkeys(scores.condition for scores in self.paired))

    def board(self, condition: str = "") -> pd.DataFrame:
        """Systems by values of one condition.

        Args:
            condition: Name of the condition; default: the first one with scores.

        Returns:
            One row per system in the plan's order, one column per value, named by its label (by its name if two
            values share a label). `cells()` has intervals and ranks. A warning lists cells with missing values.

        Raises:
            RequestError: The store has no scores for the condition.
        """
        cells = self.cells()
        here = cells[cells["condition"] == self._condition(condition)]
        if len(holes := here[here["n"] < here["planned"]]):
            shown = ", ".join(f"{row.system} {row.label} (n={row.n}/{row.planned})" for row in holes.itertuples())
            warnings.warn(f"fewer clips than planned: {shown}; `records` has the reasons (`why`)", stacklevel=2)
        column = "label" if not here.duplicated(["system", "label"]).any() else "value_name"
        wide = here.pivot(index="system", columns=column, values="value")[list(dict.fromkeys(here[column]))]
        return wide.reindex([system for system in self.plan.systems if system in set(here["system"])])

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
            for column in columns(self.summary)
            for system, entry in column.entries.items()
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def compare(self, first: str, second: str) -> pd.DataFrame:
        """Two systems on their common clips.

        Args:
            first: A system of the store.
            second: Another one.

        Returns:
            One row per condition and value: both scores, their difference first - second with its 95 % interval (all
            in the value's unit), p corrected over the value's pairs of systems (Holm), as on the board; `better`: the
            name of the better system, or "" where the tests do not separate them. Cost has neither interval nor p.

        Raises:
            RequestError: One of the systems was not measured, or the two share no clip.
        """
        known = list(dict.fromkeys(system for scores in self.paired for system in scores.systems))
        first, second = named(first, known), named(second, known)
        rows = []
        for row in compared(self.paired, first, second):
            difference, factor = row.tested and row.tested.difference, row.scores.factor
            interval = difference and difference.interval
            rows.append(
                {
                    "condition": row.scores.condition, "value_name": row.scores.value.name,
                    "label": row.scores.value.label, "first": row.first, "second": row.second,
                    "difference": row.difference,
                    "low": interval.low * factor if interval else None,
                    "high": interval.high * factor if interval else None,
                    "p": row.tested.p if row.tested else None,
                    "clips": row.clips,
                    "better": {"A": first, "B": second}[row.better] if row.tested and row.tested.separated else "",
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def breakdown(self) -> pd.DataFrame:
        """One row per clip: condition, clip, and its known factors, such as duration, speaker, SNR and T60."""
        facts = facts_of(self.plan.trials)
        return pd.DataFrame(
            [{"condition": t.condition, "clip": t.utterance.id, **facts[t.id]} for t in self.plan.trials]
        )

    def clips(self, condition: str, value_name: str) -> pd.DataFrame:
        """Clips by systems: the scores of one value. Raises RequestError for a condition or value without scores."""
        paired = {(scores.condition, scores.value.name): scores for scores in self.paired}.get((condition, value_name))
        if paired is None:
            known = ", ".join(f"{scores.condition}/{scores.value.name}" for scores in self.paired) or "none"
            raise RequestError(f"no scores for {condition}/{value_name}; with scores: {known}")
        return pd.DataFrame(
            paired.per_clip().T, index=pd.Index(paired.clips, name="clip"), columns=list(paired.systems)
        )

    def _condition(self, name: str) -> str:
        if not self.conditions or (name and name not in self.conditions):
            scored = ", ".join(self.conditions) or "none"
            raise RequestError(f"no scores for {name or 'any condition'}; conditions with scores: {scored}")
        return name or self.conditions[0]
