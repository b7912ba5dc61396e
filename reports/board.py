"""Boards as tables: what was measured, and every measured cell beside the published one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from restorebench.benchmark.aggregate import Board
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.suite import PaperSet
from restorebench.benchmark.types import Cell, Table
from restorebench.reports.published import Paper, PublishedCell, cells_of, paper

DASH = "–"
COLUMNS = ("system", "value", "measured", "published", "difference", "table", "comparable")
ANCHOR, FINISHED = " ⚓", " ▪"


def results(board: Board) -> list[Table]:
    """One table per condition: systems in the plan's order, a column per value."""
    conditions = list(dict.fromkeys(trial.condition for trial in board.plan.trials))
    return [_condition(board, condition, last=condition == conditions[-1]) for condition in conditions]


def _condition(board: Board, condition: str, last: bool) -> Table:
    cells = {(c.system, c.value_name): c for c in board.cells if c.condition == condition}
    measured = [v for v in board.values() if any((s, v.name) in cells for s in board.plan.systems)]
    rows = []
    for system in board.plan.systems:
        mine = [cells.get((system, value.name)) for value in measured]
        if any(mine):
            shown = [shown_cell(cell, value) for cell, value in zip(mine, measured, strict=True)]
            rows.append((marked(system, board.plan.system_cards[system].kind), *shown))
    clips = sum(1 for trial in board.plan.trials if trial.condition == condition)
    return Table(
        title=f"{board.plan.suite.name}: {condition} ({clips} clips)",
        columns=("system", *(header(value) for value in measured)),
        rows=tuple(rows),
        notes=tuple(notes(board)) if last else (),
    )


def header(value: Value) -> str:
    unit = f" {value.unit}" if value.unit == "%" else ""
    return f"{value.label}{unit} {'↑' if value.direction == 'higher' else '↓'}"


def shown_cell(cell: Cell | None, value: Value) -> str:
    """The number; with a hole also n=known/planned; a dash where the value does not apply."""
    if cell is None:
        return DASH
    if cell.value is None:
        return f"{DASH} (n=0/{cell.planned})"
    hole = "" if cell.n == cell.planned else f" (n={cell.n}/{cell.planned})"
    return f"{cell.value:.{value.decimals}f}{hole}"


def marked(system: str, kind: str) -> str:
    """Anchors and finished audio are marked: they were supplied, not run."""
    return system + {"anchor": ANCHOR, "published": FINISHED}.get(kind, "")


def notes(board: Board) -> list[str]:
    """What a reader must know to use the numbers: failures, resampled systems, signatures."""
    kinds = [card.kind for card in board.plan.system_cards.values()]
    legend = {"anchor": f"{ANCHOR.strip()} anchor", "published": f"{FINISHED.strip()} finished audio of others"}
    found = [text for kind, text in legend.items() if kind in kinds]
    waiting = sum(cell.planned - cell.n for cell in board.cells) - sum(board.missing.values())
    if waiting:
        found.append(f"{waiting} values are planned but not measured (with these versions): run the suite again")
    found += [f"no value: {system}: {why}: {where}" for (system, why), where in board.failures.items()]
    for system, card in board.plan.system_cards.items():
        if rate := card.rate:
            found.append(f"{system} works at {rate / 1000:g} kHz; the engine resamples other rates to it and back")
    found += [f"{name}: {signature}" for name, signature in board.plan.signatures.items()]
    found += [f"open in the paper, our choice: {decision}" for decision in board.plan.suite.open_decisions]
    return found


def against(board: Board, name: str) -> list[Table]:
    """Per condition every measured cell that the paper has too; why two numbers may not be compared is a note.

    Raises RequestError when the paper is unknown.
    """
    compared = comparisons(board, name)
    tables = []
    for condition in dict.fromkeys(row.condition for row in compared):
        mine = [row for row in compared if row.condition == condition]
        reasons = list(dict.fromkeys(reason for row in mine for reason in row.reasons))
        rows = [(*row.cells, numbered(row.reasons, reasons)) for row in mine]
        notes = [f"{number}: {reason}" for number, reason in enumerate(reasons, start=1)]
        place = board.plan.suite.paper_set(condition)
        title = f"{board.plan.suite.name}: {condition}, beside {name} {place.test_set if place else ''}"
        tables.append(Table(title, COLUMNS, tuple(rows), tuple(notes)))
    nothing = f"{board.plan.suite.name} stands beside no test set of {name}"
    return tables or [Table(f"{board.plan.suite.name} beside {name}", COLUMNS, (), (nothing,))]


def against_long(board: Board, name: str) -> list[Table]:
    """The same in one table with every reason spelled out: for programs."""
    rows = [(row.condition, *row.cells, verdict(row.reasons)) for row in comparisons(board, name)]
    return [Table(f"{board.plan.suite.name} beside {name}", ("condition", *COLUMNS), tuple(rows))]


def numbered(reasons: Sequence[str], notes: Sequence[str]) -> str:
    """ "yes", or "no" with the numbers of the notes that say why."""
    return "no: " + ", ".join(str(notes.index(reason) + 1) for reason in reasons) if reasons else "yes"


def verdict(reasons: Sequence[str]) -> str:
    """ "comparable", or "not comparable: " with every reason."""
    return f"not comparable: {'; '.join(reasons)}" if reasons else "comparable"


@dataclass(frozen=True)
class Comparison:
    """A measured cell beside a published one."""

    condition: str
    cells: tuple[str, ...]
    reasons: tuple[str, ...]
    """Why the two may not be compared; empty when they may."""


def comparisons(board: Board, name: str) -> list[Comparison]:
    """Every measured cell with a published counterpart; a number that two tables print stands there once."""
    source = paper(name)
    values = {value.name: value for value in board.values()}
    clips = Counter(trial.condition for trial in board.plan.trials)
    found: dict[tuple[str, ...], tuple[list[str], Comparison]] = {}
    for cell in board.cells:
        place = board.plan.suite.paper_set(cell.condition)
        if place is None or place.paper != name:
            continue
        for published in cells_of(source):
            if published.test_set != place.test_set or place.table not in ("", published.table):
                continue
            if not _same(source, published, cell, values):
                continue
            value = values[cell.value_name]
            key = (cell.condition, published.system, published.variant, published.metric, f"{published.value:g}")
            tables = [*(found[key][0] if key in found else []), published.table]
            found[key] = (tables, _comparison(source, published, cell, value, place, tables, clips[cell.condition]))
    conditions = list(dict.fromkeys(trial.condition for trial in board.plan.trials))
    systems = list(dict.fromkeys(published.system for published in cells_of(source)))
    compared = [comparison for _, comparison in found.values()]
    return sorted(compared, key=lambda c: (conditions.index(c.condition), systems.index(c.cells[0])))


def _same(source: Paper, published: PublishedCell, cell: Cell, measured: Mapping[str, Value]) -> bool:
    metric = source.metric[published.metric]
    wanted = metric.exact if metric.exact in measured else metric.ours
    rows = (published.system, f"{published.system}, {published.variant}")
    names = {name for row in rows for name in source.systems.get(row, ())}
    return cell.value_name == wanted and names >= {cell.system.partition("@")[0]}


def printed_decimals(source: Paper, metric: str) -> int:
    """Decimals that the paper prints of a metric."""
    return max(len(f"{cell.value:g}".partition(".")[2]) for cell in cells_of(source) if cell.metric == metric)


def _comparison(
    source: Paper,
    published: PublishedCell,
    cell: Cell,
    value: Value,
    place: PaperSet,
    tables: Sequence[str],
    clips: int,
) -> Comparison:
    metric = source.metric[published.metric]
    reasons = [place.differs, metric.unstated if cell.value_name == metric.exact else metric.differs]
    reasons.append("other weights: the authors published none" if "@" in cell.system else "")
    reasons = [reason for reason in reasons if reason]
    if place.clips is not None and clips != place.clips:
        reasons.append(f"{clips} of the published set's {place.clips} clips")
    if cell.n < cell.planned:
        reasons.append(f"only {cell.n} of {cell.planned} clips have a value")
    decimals = max(value.decimals, printed_decimals(source, published.metric))
    shown = value.model_copy(update={"decimals": decimals})
    difference = DASH if cell.value is None else f"{cell.value - published.value:+.{decimals}f}"
    number = f"{published.value:.{decimals}f}"
    cells = (published.system, published.metric, shown_cell(cell, shown), number, difference, ", ".join(tables))
    return Comparison(cell.condition, cells, tuple(reasons))


def long(board: Board) -> list[Table]:
    """One row per cell with unrounded numbers: for programs."""
    columns = (
        "suite", "condition", "system", "value_name", "value", "low", "high", "n", "planned", "signature", "why"
    )  # fmt: skip
    rows = tuple(tuple("" if (v := getattr(cell, c)) is None else str(v) for c in columns) for cell in board.cells)
    return [Table(title=board.plan.suite.name, columns=columns, rows=rows)]
