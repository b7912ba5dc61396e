"""Progress and tables for people: Rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PLAIN_INTERVAL_S = 10.0


def console() -> Console:
    """Standard error: results alone go to standard output."""
    return Console(stderr=True, highlight=False)


def progress(stage: str, total: int, steps: Iterator[int]) -> None:
    """Shows a stage with rate and remaining time; nothing for an empty stage."""
    screen = console()
    if total == 0:
        for _ in steps:
            pass
        return
    if screen.is_terminal:
        _bar(screen, stage, total, steps)
    else:
        _lines(screen, stage, total, steps)


def _bar(screen: Console, stage: str, total: int, steps: Iterator[int]) -> None:
    columns = (
        TextColumn(f"{stage:<8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("eta"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=screen) as bar:
        task = bar.add_task(stage, total=total)
        for step in steps:
            bar.advance(task, step)


def _lines(screen: Console, stage: str, total: int, steps: Iterator[int]) -> None:
    start = said = time.monotonic()
    done = 0
    for step in steps:
        done += step
        now = time.monotonic()
        if now - said >= PLAIN_INTERVAL_S and done < total:
            said = now
            screen.print(f"{stage}: {done}/{total}, {(now - start) / done * (total - done):.0f} s left")
    screen.print(f"{stage}: {done}/{total} in {time.monotonic() - start:.1f} s")
