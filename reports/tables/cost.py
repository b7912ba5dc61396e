"""The cost of systems next to their quality, and the share of their scores' variance that is due to the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.seed_variance import seed_variance
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.run.cost import Cost
from restorebench.benchmark.types import Table
from restorebench.reports.tables.board import DASH, header, shown_cell

WIDEST = 4
"""Largest number of conditions for which the cost table has columns of quality."""


def cost(board: Board, costs: Mapping[str, Cost]) -> Table:
    """A table of real-time factor, memory, parameters, rate and quality of the plan's systems of kind `system`."""
    plan, quality = board.plan, _quality(board)
    conditions = list(dict.fromkeys(trial.condition for trial in plan.trials))
    shown = conditions if len(conditions) <= WIDEST else []
    cells = {(c.system, c.condition): c for c in board.cells if c.value_name == quality.name}
    rows = []
    times = [scores for scores in board.scores if scores.value.role == "speed"]
    for name, card in plan.system_cards.items():
        if card.kind != "system":
            continue
        rtf, alone = _pooled(times, name), costs.get(name)
        rows.append(
            (
                name,
                DASH if rtf is None else f"{rtf:.3g}",
                f"{alone.rtf:.3g}" if alone else DASH,
                f"{alone.cpu_rtf:.3g}" if alone and alone.cpu_rtf is not None else DASH,
                f"{alone.mib:.0f}" if alone else DASH,
                f"{card.parameters / 1e6:.3g}" if card.parameters else DASH,
                f"{card.rate / 1000:g}" if card.rate else "any",
                *(shown_cell(cells.get((name, condition)), quality.decimals) for condition in shown),
            )
        )
    loads = [one.load for one in costs.values() if one.load is not None]
    load = f"; {min(loads):.1f} to {max(loads):.1f} processes per core were running" if loads else ""
    notes = (
        "RTF: wall-clock seconds of processing per second of sound on this machine, over all clips, never from a cache",
        "RTF alone, CPU: wall-clock and CPU time per second of sound, medians of up to three runs of four seconds in a "
        f"fresh process{load}; the machine is described under provenance",
        "MiB: peak memory of a fresh process for loading the system with its packages and restoring four seconds",
    )
    columns = (
        "system",
        "RTF",
        "RTF alone",
        "CPU",
        "MiB",
        "million parameters",
        "kHz",
        *(f"{header(quality)} {c}" for c in shown),
    )
    return Table("Cost", columns, tuple(rows), notes)


def _pooled(everything: Sequence[PairedScores], system: str) -> float | None:
    """Real-time factor of a system over all conditions; None without a measured time."""
    rows = [(s.sample, s.systems.index(system)) for s in everything if system in s.systems]
    numerator = sum(float(np.nansum(sample.numerator[row])) for sample, row in rows)
    denominator = sum(float(np.nansum(sample.denominator[row])) for sample, row in rows)
    return numerator / denominator if denominator else None


def _quality(board: Board) -> Value:
    """Overall quality where it was measured, else the first value."""
    return next((value for value in board.values() if value.role == "quality" and value.headline), board.values()[0])


def seeds(plan: Plan, records: pd.DataFrame) -> Table | None:
    """Variance between seeds and between clips, for systems with several seeds; None if no system has several."""
    rows = []
    timed = {v.name for card in plan.metric_cards.values() for v in card.values if v.role == "speed"}
    groups = records[records["value"].notna() & ~records["value_name"].isin(timed)].groupby(
        ["condition", "system", "value_name"], sort=False
    )
    for (condition, system, name), group in groups:
        table = group.pivot_table(index="utterance", columns="seed", values="value").dropna()
        parts = seed_variance(table.to_numpy(float)) if table.shape[1] > 1 else None
        if parts is not None:
            spread, seed = parts.between_clips**0.5, parts.between_seeds**0.5
            share = f"{100 * parts.share_of_seeds:.0f} %"
            rows.append(
                (str(system), str(condition), str(name), str(parts.seeds), f"{spread:.3g}", f"{seed:.3g}", share)
            )
    columns = ("system", "condition", "value", "seeds", "sd of clips", "sd of seeds", "seeds' share of the variance")
    return Table("Seeds", columns, tuple(rows)) if rows else None
