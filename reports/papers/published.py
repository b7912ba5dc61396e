"""Reads the papers' published cells: every number with its table, test set, row and metric."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.registry import unknown

ABSENT = "-"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublishedMetric(_Table):
    signature: str
    ours: str
    """Name of our value that measures the same quantity; empty if we have none."""
    differs: str = ""
    """Why the two numbers may not be compared; empty when they may."""
    exact: str = ""
    """Our value by the paper's own scorer; where it was measured, it replaces `ours`."""
    unstated: str = ""
    """What the paper leaves open about its own scorer."""
    lower_is_better: bool = False
    spread: float = Field(default=0.0, ge=0)
    """Known difference between implementations of the scorer on the same clips, in the metric's unit."""
    spread_share: float = Field(default=1.0, gt=0)
    """Largest `spread` as a share of the published number: 0.3 is small for a WER of 6, but half of a WER of 0.6."""


class PublishedTable(_Table):
    id: str
    test_set: str
    condition: str
    metrics: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    ci95: tuple[float, ...] = ()
    """Half-widths of the first column's 95 % intervals, row by row."""


class Claim(_Table):
    """A sentence of a paper that follows from its cells: some rows are better than others, maybe by a stated amount."""

    quote: str
    table: tuple[str, ...]
    metric: tuple[str, ...]
    better: tuple[str, ...]
    """Rows: "system" or "system, variant"; each of them is better than each of `than`."""
    than: tuple[str, ...]
    percent: float | None = None
    """The relative reduction that the sentence names."""
    percent_range: tuple[float, float] | None = None
    """The relative reductions that the sentence names, in whole percent."""
    margin: float = 0.0
    """The improvement must exceed this; if it is negative, `better` may be worse by less than its absolute value."""
    always: bool = True
    """False: the sentence says that the comparisons do not all hold."""
    reading: str = ""
    """How a word of the sentence was read as a number."""
    test_set: tuple[str, ...] = ()
    """Test sets that the claim is about; empty: all test sets of its tables."""


class Paper(_Table):
    paper: str
    title: str
    authors: str
    metric: dict[str, PublishedMetric]
    systems: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Published row ("system" or "system, variant") -> names of our systems; a name covers all its checkpoints."""
    table: tuple[PublishedTable, ...]
    claim: tuple[Claim, ...] = ()

    def ours(self, cell: PublishedCell) -> tuple[str, ...]:
        """Names of our systems that correspond to the cell's row."""
        rows = (cell.system, f"{cell.system}, {cell.variant}")
        return tuple(name for row in rows for name in self.systems.get(row, ()))


class PublishedCell(_Table):
    paper: str
    table: str
    test_set: str
    system: str
    variant: str
    metric: str
    value: float
    ci95: float | None = None


@cache
def papers() -> dict[str, Paper]:
    """Every paper by name."""
    by_name = {}
    for entry in sorted(files(__package__).iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml") and entry.name != "decisions.toml":
            paper = Paper.model_validate(tomllib.loads(entry.read_text(encoding="utf-8")))
            by_name[paper.paper] = paper
    return by_name


def paper(name: str) -> Paper:
    """One paper. Raises RequestError for an unknown name."""
    if name not in papers():
        raise unknown("papers", name, list(papers()))
    return papers()[name]


def cells() -> list[PublishedCell]:
    """Every published cell, in the papers' order."""
    return [cell for source in papers().values() for cell in cells_of(source)]


def cells_of(source: Paper) -> list[PublishedCell]:
    """The cells of one paper. Raises RequestError when a row does not fit its header."""
    paper_cells = []
    for table in source.table:
        for index, (system, variant, *values) in enumerate(table.rows):
            if len(values) != len(table.metrics):
                raise RequestError(
                    f"{source.paper}.toml, table {table.id}, row {system}: {len(values)} values, but "
                    f"{len(table.metrics)} metrics; correct the row"
                )
            for column, (metric, value) in enumerate(zip(table.metrics, values, strict=True)):
                if value == ABSENT:
                    continue
                paper_cells.append(
                    PublishedCell(
                        paper=source.paper,
                        table=table.id,
                        test_set=table.test_set,
                        system=system,
                        variant=variant,
                        metric=metric,
                        value=value,
                        ci95=table.ci95[index] if table.ci95 and column == 0 else None,
                    )
                )
    return paper_cells
