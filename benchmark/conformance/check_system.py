"""Checks a system, registered or not, and shows the findings as a table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from restorebench.benchmark.conformance import sounds
from restorebench.benchmark.conformance.checks import CHECKS, Finding, Subject, examine, verdict_of
from restorebench.benchmark.contracts import System
from restorebench.benchmark.core.progress import Progress, silent
from restorebench.benchmark.errors import reason
from restorebench.benchmark.types import Table

RATES = (16_000, 48_000)
"""Rates in Hz at which a system that takes any rate is checked."""
LONG_MINUTES = 10.0
LONG_BUDGET_S = 60.0
"""The ten-minute check is skipped if it would take more than this many seconds, unless the caller asks for it."""


@dataclass(frozen=True)
class Conformance:
    """Findings about one system: rate -> one finding per check."""

    system: str
    findings: dict[int, tuple[Finding, ...]]

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(f for findings in self.findings.values() for f in findings if f.verdict == "fault")

    def table(self) -> Table:
        rates = list(self.findings)
        names = [finding.check for finding in self.findings[rates[0]]]
        rows = []
        for index, name in enumerate(names):
            for rate in rates:
                finding = self.findings[rate][index]
                rows.append((name, f"{rate} Hz", finding.verdict, finding.seen))
        return Table(f"Conformance of {self.system}", ("check", "rate", "verdict", "seen"), tuple(rows))


def check_system(system: System, long: bool = False, progress: Progress = silent) -> Conformance:
    """Runs every check at the system's rate, or at 16 and 48 kHz if the system accepts any rate.

    Args:
        system: The system to be checked. It is called in this process.
        long: Always test ten minutes of speech in one call; by default only if it should take less than a minute.
        progress: Shows the progress of the checks.
    """
    rates = (system.card.rate,) if system.card.rate else RATES
    findings: dict[int, list[Finding]] = {rate: [] for rate in rates}

    def steps() -> Iterator[int]:
        for rate in rates:
            subject = Subject(system, rate)
            for name in CHECKS:
                findings[rate].append(examine(subject, name))
                yield 1
            findings[rate].append(ten_minutes(subject, long))
            yield 1

    progress("check", len(rates) * (len(CHECKS) + 1), steps())
    return Conformance(system.card.name, {rate: tuple(results) for rate, results in findings.items()})


def ten_minutes(subject: Subject, always: bool) -> Finding:
    """The finding for ten minutes of speech in one call; "not told" if it would take too long."""
    try:
        start = time.perf_counter()
        speech = sounds.speech(subject.rate)
        subject.restore(speech)
        estimate = (time.perf_counter() - start) * 60 * LONG_MINUTES * subject.rate / len(speech)
        if estimate > LONG_BUDGET_S and not always:
            return Finding(
                "long", "not told", f"ten minutes would take about {estimate:.0f} s; ask for them with --long"
            )
        speech = sounds.long_speech(subject.rate, LONG_MINUTES)
        restored = subject.restore(speech)
    except Exception as error:
        return Finding("long", "fault", f"ten minutes: {reason(error)}")
    verdict, seen = verdict_of(len(restored) == len(speech), f"{len(restored)} samples for {len(speech)}")
    return Finding("long", verdict, seen)
