"""A regression gate: a store against a committed baseline, paired on the same clips.

A value fails when it is significantly worse than the baseline *and* worse by more than its margin: a tiny difference
that many clips make certain is no regression, and neither is a large one that chance explains. The tests are one-sided
sign flips, corrected over the gate's values (Holm). A clip that had a value and has none now fails too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as xml

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from restorebench.benchmark import provenance
from restorebench.benchmark.aggregate import planned_records
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.files import write_whole
from restorebench.benchmark.plan import Plan
from restorebench.benchmark.samples import Scores, scores
from restorebench.benchmark.stats import Draws, Sample, holm, worse_by_chance
from restorebench.benchmark.store import Store
from restorebench.benchmark.types import Table

SURE = 0.05
MARGINS = {
    "dnsmos.sig": 0.05, "dnsmos.bak": 0.05, "dnsmos.ovl": 0.05, "dnsmos.p808": 0.05, "lsd": 0.05, "wer": 0.5,
    "wer@nemo": 0.5, "wer@whisper": 0.5, "spk_sim@wespeaker": 0.01, "spk_sim@resemblyzer": 0.01, "sim_o": 0.01,
    "pesq": 0.05, "stoi": 0.01, "si_sdr": 0.3,
}  # fmt: skip
"""Differences that nobody would mind, in the value's unit; a baseline may name others."""

Clip = tuple[float, float]
"""What a clip adds above and below the fraction bar."""


class Baseline(BaseModel):
    """The committed file: one system's scores, clip by clip, and what they were measured with."""

    model_config = ConfigDict(extra="forbid")

    suite: str
    trials: str
    """Digest of the degraded clips."""
    system: str
    reason: str
    """Why it was made, or changed."""
    made_with: dict[str, str] = Field(default_factory=dict)
    margins: dict[str, float]
    signatures: dict[str, str]
    """Value -> signature of its metric."""
    clips: dict[str, dict[str, dict[str, Clip]]]
    """Condition -> value -> clip -> scores."""


@dataclass(frozen=True)
class Judged:
    """One value of one condition. Numbers are in the value's unit; `worse` is positive when the new one is worse."""

    condition: str
    value: str
    before: float
    now: float
    worse: float
    margin: float
    p: float
    """One-sided, corrected."""
    clips: int
    clusters: int
    """Speakers, or clips: what is flipped as a whole."""
    lost: tuple[str, ...]
    """Clips that had a value and have none now."""

    @property
    def fails(self) -> bool:
        return bool(self.lost) or (self.p < SURE and self.worse > self.margin)

    @property
    def why(self) -> str:
        if self.lost:
            more = f" and {len(self.lost) - 3} more" if len(self.lost) > 3 else ""
            return f"no value any more for {', '.join(self.lost[:3])}{more}"
        if self.fails:
            return f"worse by {self.worse:.3g}, margin {self.margin:g}, p {self.p:.2g}"
        if self.worse > self.margin:
            return f"worse by {self.worse:.3g}, but chance explains it (p {self.p:.2g})"
        return "significantly worse, but within the margin" if self.p < SURE and self.worse > 0 else ""


@dataclass(frozen=True)
class Verdict:
    system: str
    baseline: Baseline
    judged: tuple[Judged, ...]

    @property
    def passes(self) -> bool:
        return not any(one.fails for one in self.judged)


def gate(store: Store, plan: Plan, baseline: Baseline, system: str = "") -> Verdict:
    """The verdict on a store's system.

    Raises RequestError when it cannot be judged: other clips, another signature of a metric, a system or value that
    was not measured.
    """
    if (plan.suite.name, plan.trials_digest) != (baseline.suite, baseline.trials):
        raise RequestError(
            f"cannot judge: the store holds {plan.suite.name} with clips {plan.trials_digest[:12]}, the baseline was "
            f"made on {baseline.suite} with {baseline.trials[:12]}; run the same suite, or update the baseline"
        )
    chosen = system_of(plan.systems, system or baseline.system)
    for name, signature in baseline.signatures.items():
        if (now := signature_of(plan, name)) != signature:
            raise RequestError(
                f"cannot judge: {name} is measured by {now or 'nothing'}, the baseline by {signature}; "
                "measure with that, or update the baseline"
            )
    return judge(_measured(plan, store), baseline, chosen)


def judge(measured: Sequence[Scores], baseline: Baseline, system: str, draws: Draws | None = None) -> Verdict:
    """The verdict on a system's scores. Raises RequestError when one of the baseline's values was not measured."""
    draws = draws or Draws("gate")
    by_value = {(found.condition, found.value.name): found for found in measured}
    found: list[tuple[Judged, float]] = []
    for condition, values in baseline.clips.items():
        for name, clips in values.items():
            new = by_value.get((condition, name))
            if new is None or system not in new.systems:
                raise RequestError(f"cannot judge: {system} has no {name} on {condition}; run it with that metric")
            found.append(_judge(new, new.systems.index(system), clips, baseline.margins[name], draws))
    _require_power(found)
    corrected = holm([p for _, p in found])
    judged = tuple(replace(one, p=float(p)) for (one, _), p in zip(found, corrected, strict=True))
    return Verdict(system, baseline, judged)


def _require_power(found: Sequence[tuple[Judged, float]]) -> None:
    """Raises RequestError when so few clips could never show a regression: a gate that cannot fail guards nothing."""
    fewest = min((one.clusters for one, _ in found if not one.lost), default=0)
    needed = math.ceil(math.log2(len(found) / SURE))
    if any(not one.lost for one, _ in found) and fewest < needed:
        raise RequestError(
            f"cannot judge: {fewest} clips (or speakers) can never show a regression among {len(found)} values; "
            f"wanted {needed} or more, or fewer values"
        )


def _measured(plan: Plan, store: Store) -> list[Scores]:
    return list(scores(plan, planned_records(plan, store)))


def signature_of(plan: Plan, value: str) -> str:
    """The signature of the metric that gives a value; "" when the plan has none."""
    for name, card in plan.metric_cards.items():
        if value in {v.name for v in card.values}:
            return plan.signatures[name]
    return ""


def system_of(known: Sequence[str], wanted: str) -> str:
    """The store's system of that name, or of the same row with another checkpoint where that is unique."""
    if wanted in known:
        return wanted
    close = [name for name in known if name.partition("@")[0] == wanted.partition("@")[0]]
    if len(close) != 1:
        raise RequestError(f"cannot judge: the store has {', '.join(known)}; name the one that is {wanted}: --system")
    return close[0]


def _judge(new: Scores, system: int, before: Mapping[str, Clip], margin: float, draws: Draws) -> tuple[Judged, float]:
    """The two on their common clips, and the one-sided p before any correction."""
    own = {clip: place for place, clip in enumerate(new.clips)}
    now = {clip: (new.sample.over[system, own[clip]], new.sample.under[system, own[clip]]) for clip in own}
    lost = tuple(clip for clip in before if not math.isfinite(now.get(clip, (math.nan, 0.0))[0]))
    common = [clip for clip in before if clip not in lost]
    sign = -1.0 if new.value.direction == "higher" else 1.0
    if not common:
        return Judged(new.condition, new.value.name, math.nan, math.nan, math.nan, margin, 1.0, 0, 0, lost), 1.0
    # Above and below the fraction bar, [now and before, clip]; turned so that more is worse.
    over, under = np.array([[now[clip], before[clip]] for clip in common]).transpose(2, 1, 0)
    sample = Sample(sign * over, under, new.sample.cluster[[own[clip] for clip in common]])
    first, second = (float(part) * new.factor for part in over.sum(1) / under.sum(1))
    worse = sign * (first - second)
    judged = Judged(
        new.condition,
        new.value.name,
        second,
        first,
        worse,
        margin,
        1.0,
        len(common),
        len(np.unique(sample.cluster)),
        lost,
    )
    return judged, worse_by_chance(sample, draws)


def baseline_of(
    store: Store, plan: Plan, system: str, reason: str, margins: Mapping[str, float] | None = None
) -> Baseline:
    """A new baseline: every value of the system that has a margin. Raises RequestError when there is none."""
    limits = {**MARGINS, **(margins or {})}
    chosen = system_of(plan.systems, system)
    clips: dict[str, dict[str, dict[str, Clip]]] = {}
    for found in _measured(plan, store):
        name = found.value.name
        if name not in limits or chosen not in found.systems:
            continue
        row = found.systems.index(chosen)
        pairs = zip(found.clips, found.sample.over[row], found.sample.under[row], strict=True)
        kept = {clip: (float(over), float(under)) for clip, over, under in pairs if math.isfinite(over)}
        if kept:
            clips.setdefault(found.condition, {})[name] = kept
    if not clips:
        raise RequestError(f"{chosen} has no value with a margin; give one with --margin VALUE=NUMBER")
    names = {name for values in clips.values() for name in values}
    return Baseline(
        suite=plan.suite.name,
        trials=plan.trials_digest,
        system=chosen,
        reason=reason,
        made_with=provenance.collect()["versions"],
        margins={name: limits[name] for name in sorted(names)},
        signatures={name: signature_of(plan, name) for name in sorted(names)},
        clips=clips,
    )


def read_baseline(path: Path) -> Baseline:
    """Raises RequestError for a file that is absent or not a baseline."""
    if not path.is_file():
        raise RequestError(f"{path}: no such baseline; make it with --update-baseline --reason TEXT")
    try:
        return Baseline.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"{path}: not a baseline: {place}: {first['msg']}") from error


def write_baseline(path: Path, baseline: Baseline) -> None:
    text = json.dumps(baseline.model_dump(), indent=1, sort_keys=True, ensure_ascii=False)
    write_whole(path, f"{text}\n".encode())


def table(verdict: Verdict) -> Table:
    """What was judged, the failures first."""
    rows = []
    for one in sorted(verdict.judged, key=lambda one: not one.fails):
        result = "FAIL" if one.fails else "pass"
        rows.append(
            (result, one.condition, one.value, f"{one.before:.4g}", f"{one.now:.4g}", f"{one.worse:+.3g}",
             f"{one.margin:g}", f"{one.p:.2g}", str(one.clips), one.why)
        )  # fmt: skip
    failed = sum(one.fails for one in verdict.judged)
    outcome = f"{failed} of {len(verdict.judged)} values regressed" if failed else "passes"
    notes = (
        f"{verdict.system} against the baseline {verdict.baseline.system} ({verdict.baseline.reason})",
        "a value fails when it is worse by more than its margin and chance does not explain it "
        "(one-sided sign flips on the same clips, Holm)",
    )
    columns = ("", "condition", "value", "baseline", "now", "worse by", "margin", "p", "clips", "why")
    return Table(f"Gate: {outcome}", columns, tuple(rows), notes)


def junit(verdict: Verdict) -> bytes:
    """A JUnit file: a test case per value."""
    failed = sum(one.fails for one in verdict.judged)
    suite = xml.Element(
        "testsuite", name=f"restorebench.{verdict.baseline.suite}", tests=str(len(verdict.judged)), failures=str(failed)
    )
    for one in verdict.judged:
        case = xml.SubElement(suite, "testcase", classname=f"{verdict.system}.{one.condition}", name=one.value)
        if one.fails:
            xml.SubElement(case, "failure", message=one.why)
    text: bytes = xml.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text


Outcome = Literal[0, 1]


def exit_code(verdict: Verdict) -> Outcome:
    return 0 if verdict.passes else 1


def margins_of(texts: Sequence[str]) -> dict[str, float]:
    """`VALUE=NUMBER` texts. Raises RequestError for any other."""
    found: dict[str, Any] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError as error:
            raise RequestError(f"--margin {text}: wanted VALUE=NUMBER, as in dnsmos.ovl=0.05") from error
        if not name or not found[name] >= 0:
            raise RequestError(f"--margin {text}: wanted VALUE=NUMBER with a number of at least 0")
    return found
