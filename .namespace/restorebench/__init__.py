"""RestoreBench: speech-restoration systems beside the papers' published numbers.

    import restorebench as rb

    rb.score(estimate, reference, rate=16_000, metrics=["dnsmos", "lsd"])
    rb.evaluate(my_function, suite="demo", store="runs").board()

Nothing is imported before it is used: `import restorebench` loads this file alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restorebench.benchmark.api import (
        Conformance,
        Degraded,
        check_system,
        degrade,
        evaluate,
        list_corruptions,
        list_metrics,
        list_suites,
        list_systems,
        load_suite,
        open_results,
        restore,
        score,
    )
    from restorebench.benchmark.contracts import (
        Corruption,
        CorruptionCard,
        Metric,
        MetricCard,
        System,
        SystemCard,
        Value,
    )
    from restorebench.benchmark.errors import AudioError, RequestError
    from restorebench.benchmark.suite import Suite
    from restorebench.benchmark.types import Audio, Outcome, Pair, Recipe
    from restorebench.reports.results import Results

    __version__: str

__all__ = [
    "Audio",
    "AudioError",
    "Conformance",
    "Corruption",
    "CorruptionCard",
    "Degraded",
    "Metric",
    "MetricCard",
    "Outcome",
    "Pair",
    "Recipe",
    "RequestError",
    "Results",
    "Suite",
    "System",
    "SystemCard",
    "Value",
    "__version__",
    "check_system",
    "degrade",
    "evaluate",
    "list_corruptions",
    "list_metrics",
    "list_suites",
    "list_systems",
    "load_suite",
    "open_results",
    "restore",
    "score",
]

_HOMES = {
    "benchmark.contracts": ("Corruption", "CorruptionCard", "Metric", "MetricCard", "System", "SystemCard", "Value"),
    "benchmark.errors": ("AudioError", "RequestError"),
    "benchmark.suite": ("Suite",),
    "benchmark.types": ("Audio", "Outcome", "Pair", "Recipe"),
    "reports.results": ("Results",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("restorebench")
    if name not in __all__:
        raise AttributeError(f"module 'restorebench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"restorebench.{_HOME_OF.get(name, 'benchmark.api')}"), name)


def __dir__() -> list[str]:
    return __all__
