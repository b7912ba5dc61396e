"""Progress of a stage: shown with Rich on a terminal, as plain lines elsewhere, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[str, int, Iterator[int]], None]
"""Runs a stage: its name, the number of its steps, and an iterator that yields how many steps were just done."""
PLAIN_INTERVAL_S = 10.0


def silent(stage: str, total: int, steps: Iterator[int]) -> None:
    """Runs a stage without showing its progress."""
    for _ in steps:
        pass


def show(stage: str, total: int, steps: Iterator[int]) -> None:
    """Runs a stage and shows its progress and remaining time on standard error; nothing for an empty stage."""
    from rich.console import Console

    screen = Console(stderr=True, highlight=False)  # results alone go to standard output
    if total == 0:
        silent(stage, total, steps)
    elif screen.is_terminal:
        _show_bar(screen, stage, total, steps)
    else:
        _show_lines(screen, stage, total, steps)


def _show_bar(screen: Console, stage: str, total: int, steps: Iterator[int]) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(f"{stage:<8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("eta"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=screen) as bar:
        task = bar.add_task(stage, total=total)
        for step in steps:
            bar.advance(task, step)


def _show_lines(screen: Console, stage: str, total: int, steps: Iterator[int]) -> None:
    start = printed = time.monotonic()
    done = 0
    for step in steps:
        done += step
        now = time.monotonic()
        if now - printed >= PLAIN_INTERVAL_S and done < total:
            printed = now
            screen.print(f"{stage}: {done}/{total}, {(now - start) / done * (total - done):.0f} s left")
    screen.print(f"{stage}: {done}/{total} in {time.monotonic() - start:.1f} s")
