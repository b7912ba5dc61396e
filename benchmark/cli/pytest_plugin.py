"""Pytest fixtures: `restorebench_gate(store, baseline)` fails the test when a score regressed,
`restorebench_check(system)` when a system breaks the contract.

Pytest finds them through an entry point; the engine is imported only when a test calls one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Gate = Callable[..., None]
Check = Callable[..., None]


@pytest.fixture(scope="session")
def restorebench_gate() -> Gate:
    """A check of a store against a baseline file (optional: `system`, `suite`); it fails and lists the regressions."""

    def judge(store: str | Path, baseline: str | Path, system: str = "", suite: str = "") -> None:
        from restorebench.benchmark.errors import RequestError
        from restorebench.benchmark.gate import gate
        from restorebench.benchmark.gate.baseline import read_baseline
        from restorebench.benchmark.store.store import open_store, plan_of

        try:
            opened = open_store(Path(store))
            verdict = gate.gate(opened, plan_of(opened, suite), read_baseline(Path(baseline)), system)
        except RequestError as error:
            pytest.fail(str(error), pytrace=False)
        if not verdict.passes:
            failed = [judged for judged in verdict.judged if judged.fails]
            lines = [f"{judged.condition} {judged.value}: {judged.why}" for judged in failed]
            pytest.fail("\n".join(lines), pytrace=False)

    return judge


@pytest.fixture(scope="session")
def restorebench_check() -> Check:
    """A check of a system or synthesizer (a name, a function or an object).

    It fails if one of the checks that are not in `allow` finds a fault.
    """

    def judge(system: Any, rate: int | None = None, allow: Sequence[str] = (), long: bool = False) -> None:
        from restorebench import check_system
        from restorebench.benchmark.conformance import checks, speech_checks
        from restorebench.benchmark.registry import unknown

        known = [*dict.fromkeys([*checks.CHECKS, "long", *speech_checks.CHECKS])]
        for name in allow:
            if name not in known:
                raise unknown("checks", name, known)
        conformance = check_system(system, rate=rate, long=long)
        faults = [
            f"{fault.check} at {tested} Hz: {fault.seen}"
            for tested, findings in conformance.findings.items()
            for fault in findings
            if fault.verdict == "fault" and fault.check not in allow
        ]
        if faults:
            pytest.fail("\n".join([f"{conformance.system}:", *faults]), pytrace=False)

    return judge
