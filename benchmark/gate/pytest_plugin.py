"""A pytest fixture for checkpoints: `restorebench_gate(store, baseline)` fails the test when a score regressed.

It is found by pytest through its entry point; nothing of restorebench is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Gate = Callable[..., None]


@pytest.fixture(scope="session")
def restorebench_gate() -> Gate:
    """Called with a store and a baseline file (and, if need be, `system` and `suite`); fails with what regressed."""

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
            failed = [one for one in verdict.judged if one.fails]
            pytest.fail("\n".join(f"{one.condition} {one.value}: {one.why}" for one in failed), pytrace=False)

    return judge
