"""Boards as tables: the measured cells, a row per system and a column per value."""

from __future__ import annotations

from collections.abc import Sequence

from restorebench.benchmark import registry
from restorebench.benchmark.analysis.board import Board
from restorebench.benchmark.analysis.intervals import FEW
from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.components import synthesizer_card
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.types import Cell, Table
from restorebench.corruptions.rooms import SIMULATED_KINDS
from restorebench.reports.tables.leaderboard import Column, columns

DASH = "–"
WINNER = (
    "bold: significantly better than every other system that is ranked (paired tests, Holm over the column's pairs)"
)
DETECTABLE = "differences that these clips show with 80 % power (median over pairs, at the corrected level)"
ANCHOR, FINISHED, SEEN_IN_TRAINING = " ⚓", " ▪", " ‡"
EARLY_STEPS = 1000
"""Training steps below which no kind of system of this project produces speech."""


def results(board: Board) -> list[Table]:
    """One table per condition: systems in the plan's order, a column per value.

    A value is bold where its system is significantly better than every other ranked system.
    """
    conditions = list(dict.fromkeys(trial.condition for trial in board.plan.trials))
    shown = columns(board)
    return [
        _condition(board, condition, condition == conditions[-1], [c for c in shown if c.condition == condition])
        for condition in conditions
    ]


def _condition(board: Board, condition: str, last: bool, all_columns: Sequence[Column]) -> Table:
    winners = {
        (column.value.name, system) for column in all_columns for system, e in column.entries.items() if e.winner
    }
    cells = {(c.system, c.value_name): c for c in board.cells if c.condition == condition}
    measured = [v for v in board.values() if any((s, v.name) in cells for s in board.plan.systems)]
    rows: list[tuple[str, ...]] = []
    bold = set()
    for system in board.plan.systems:
        mine = [cells.get((system, value.name)) for value in measured]
        if any(mine):
            shown = [shown_cell(cell, value.decimals) for cell, value in zip(mine, measured, strict=True)]
            won = [at for at, v in enumerate(measured, start=1) if (v.name, system) in winners]
            bold |= {(len(rows), at) for at in won}
            rows.append((marked(system, board.plan), *shown))
    clips = sum(1 for trial in board.plan.trials if trial.condition == condition)
    scored = [scores for scores in board.scores if scores.condition == condition]
    return Table(
        title=f"{board.plan.suite.name}: {condition} ({clips} clips)",
        columns=("system", *(header(value) for value in measured)),
        rows=tuple(rows),
        notes=(
            *((WINNER,) if bold else ()), *detectable(all_columns), *few_speakers(scored), *few_clips(scored),
            *(notes(board) if last else ()),
        ),
        small_print=tuple(small_print(board)) if last else (),
        bold=frozenset(bold),
    )  # fmt: skip


def detectable(all_columns: Sequence[Column]) -> list[str]:
    """A note on the detectable differences; none where fewer than two systems are ranked."""
    shown = [
        f"{c.value.label} {DASH if c.detectable is None else _with_unit(c.value, c.detectable)}"
        for c in all_columns
        if any(entry.rank for entry in c.entries.values())
    ]
    return [f"{DETECTABLE}: {', '.join(shown)}"] if shown else []


def _with_unit(value: Value, number: float) -> str:
    return f"{number:.{value.decimals}f}{' %' * (value.unit == '%')}"


def few_speakers(everything: Sequence[PairedScores]) -> list[str]:
    """A note that the tests do not hold for other speakers, if clips of few speakers are treated as independent."""
    here = next((s for s in everything if s.grouped == "clip" and s.speakers), None)
    if here is None:
        return []
    few = "one speaker" if here.speakers == 1 else f"{here.speakers} speakers"
    return [f"the clips are of {few}: intervals and tests hold for clips like these, not for other speakers"]


def few_clips(everything: Sequence[PairedScores]) -> list[str]:
    """A note if too few clips or speakers were scored for intervals of strongly skewed scores."""
    here = next((s for s in everything if s.tested and s.sample.cluster.max() + 1 < FEW), None)
    if here is None:
        return []
    return [f"{here.sample.cluster.max() + 1} {here.grouped}s are too few for the intervals of strongly skewed scores"]


def header(value: Value) -> str:
    unit = f" {value.unit}" if value.unit == "%" else ""
    return f"{value.label}{unit} {'↑' if value.direction == 'higher' else '↓'}"


def shown_cell(cell: Cell | None, decimals: int) -> str:
    """The number, with n=known/planned if values are missing; a dash if there is no number."""
    if cell is None:
        return DASH
    if cell.value is None:
        return f"{DASH} (n=0/{cell.planned})"
    hole = "" if cell.n == cell.planned else f" (n={cell.n}/{cell.planned})"
    return f"{cell.value:.{decimals}f}{hole}"


def marked(system: str, plan: Plan) -> str:
    """A system's name with marks: anchor, finished audio, trained on these speakers or on this corpus."""
    kind = {"anchor": ANCHOR, "published": FINISHED}.get(plan.system_cards[system].kind, "")
    return system + kind + (SEEN_IN_TRAINING if known_speakers(system, plan) or known_corpus(system, plan) else "")


def known_speakers(system: str, plan: Plan) -> list[str]:
    """Speakers of the plan's clips whose names are among those that the system was trained on."""
    trained = {speaker for corpus in plan.system_cards[system].training for speaker in corpus.speakers}
    return sorted(trained & {trial.utterance.speaker for trial in plan.trials})


def known_corpus(system: str, plan: Plan) -> str:
    """The system's training corpus that lists no speakers and whose name starts with the suite corpus's; "" if none."""
    name = plan.suite.corpus.name
    corpora = (c for c in plan.system_cards[system].training if name and c.corpus.startswith(name) and not c.speakers)
    return next((corpus.corpus for corpus in corpora), "")


def speech(plan: Plan) -> list[str]:
    """A note on the synthesizer of a suite with speech, and on whether its speech depends on the prompts."""
    name = plan.suite.synthesizer
    if not name:
        return []
    known = name.partition(":")[0] in registry.targets_by_name("synthesizers")
    control = known and not synthesizer_card(name).clones
    ignores = "; it ignores the prompts, so differences between rows are not due to the systems" if control else ""
    return [f"the scores are those of speech by {name}, with each system's output as the prompt{ignores}"]


def _seen_in_training(plan: Plan) -> list[str]:
    tested = len({trial.utterance.speaker for trial in plan.trials})
    mark = SEEN_IN_TRAINING.strip()
    by_corpus = [
        f"{mark} {system} was trained on {corpus}, and these clips are of {plan.suite.corpus.name}; "
        "its card does not list its training speakers"
        for system in plan.systems
        if (corpus := known_corpus(system, plan))
    ]
    return by_corpus + [
        f"{mark} {system} was trained on speakers with the names of {len(known)} of the {tested} "
        f"speakers of these clips ({', '.join(known[:5])}{', ...' if len(known) > 5 else ''})"
        for system in plan.systems
        if (known := known_speakers(system, plan))
    ]


def notes(board: Board) -> list[str]:
    """What a reader must know to use the numbers: marks, failures, open decisions."""
    kinds = [card.kind for card in board.plan.system_cards.values()]
    legend = {"anchor": f"{ANCHOR.strip()} anchor", "published": f"{FINISHED.strip()} finished audio of others"}
    texts = [text for kind, text in legend.items() if kind in kinds] + _seen_in_training(board.plan)
    texts += speech(board.plan)
    texts += [
        f"{name}: its delay of {1000 * card.delay_s:g} ms, which its card states, was removed"
        for name, card in board.plan.system_cards.items()
        if card.delay_s
    ]
    texts += [
        f"{name}: its checkpoint is from step {card.steps}: its output may be noise"
        for name, card in board.plan.system_cards.items()
        if card.steps is not None and card.steps < EARLY_STEPS
    ]
    waiting = sum(cell.planned - cell.n for cell in board.cells) - sum(board.missing.values())
    if waiting:
        texts.append(f"{waiting} values are planned but not measured (with these versions): run the suite again")
    for value in (value for value in board.values() if value.reduction == "rate"):
        if looped := [f"{n} of {system}" for (name, system), n in board.loops.items() if name == value.name]:
            texts.append(
                f"{value.label}: the recogniser repeated itself on clips ({', '.join(looped)}); "
                "the repetitions count as errors"
            )
    texts += [*delayed(board), *unreachable_rooms(board.plan), *unlimited_threads(board)]
    texts += [f"no value: {system}: {why}: {where}" for (system, why), where in board.failures.items()]
    texts += [f"left open by the paper, chosen by us: {decision}" for decision in board.plan.suite.open_decisions]
    return texts


def unlimited_threads(board: Board) -> list[str]:
    """Notes on systems that run in a process of their own, which may use all cores."""
    timed = any(value.role == "speed" for value in board.values())
    return [
        f"{name} runs in a process of its own, which may use all cores: its RTF may be for several cores"
        for name, card in board.plan.system_cards.items()
        if timed and (card.environment or card.argument == "HOST:PORT")
    ]


def unreachable_rooms(plan: Plan) -> list[str]:
    """A note on the number of simulated rooms that are too large for the T60 that was drawn."""
    drawn = [step.get("rir") for trial in plan.trials if trial.recipe for step in trial.recipe.steps]
    rooms = [
        SIMULATED_KINDS[str(rir["kind"])].model_validate(rir)
        for rir in drawn
        if isinstance(rir, dict) and rir.get("kind") in SIMULATED_KINDS
    ]
    short = [room for room in rooms if not room.reaches_t60]
    if not short:
        return []
    return [
        f"{len(short)} of {len(rooms)} simulated rooms are too large for their nominal T60 (the shortest: "
        f"{min(room.t60_s for room in short):.2g} s): they reverberate longer"
    ]


def delayed(board: Board) -> list[str]:
    """Notes on the systems with a delay against the reference, and on the metrics that the delay affects."""
    if not board.delays:
        return []
    waveform = ", ".join(value.label for value in board.values() if value.role == "fidelity")
    return [
        f"{system}: {abs(ms):.3g} ms {'late' if ms > 0 else 'early'} against the reference (median over clips); it "
        f"affects {waveform}, but not si_sdr@aligned, stoi@aligned and lsd@aligned"
        for system, ms in board.delays.items()
    ]


def small_print(board: Board) -> list[str]:
    """Notes for reproducing the numbers: sampling rates of the systems, signatures of the metrics."""
    lines = []
    for system, card in board.plan.system_cards.items():
        if rate := card.rate:
            lines.append(f"{system} works at {rate / 1000:g} kHz; the engine resamples other rates to it and back")
    return lines + [f"{name}: {signature}" for name, signature in board.plan.signatures.items()]


def long(board: Board) -> list[Table]:
    """One row per cell with unrounded numbers: for programs."""
    columns = (
        "suite", "condition", "system", "value_name", "value", "low", "high", "n", "planned", "signature", "why"
    )  # fmt: skip
    rows = tuple(tuple("" if (v := getattr(cell, c)) is None else str(v) for c in columns) for cell in board.cells)
    return [Table(title=board.plan.suite.name, columns=columns, rows=rows)]
