"""A regression gate: compares a store with a committed baseline, paired on the same clips.

A value fails when it is significantly worse than the baseline *and* worse by more than its margin: neither a tiny but
significant difference nor a large one that is not significant is a regression. The tests are one-sided sign-flip tests
with Holm correction over the gate's values. A value also fails if a clip, or one of its seeds, had a score and has none
now. Signs are flipped per clip, not per speaker: the conclusion is about these clips, not about other speakers.

A mean can hide a single bad clip, so each clip is checked too. A clip is "broken", and the value fails, if the clip is
worse by more than ten margins (error rates: by more than 50 percentage points, since one wrong word in a short
clip is no evidence) and its difference is an outlier among those of all clips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.analysis.paired_scores import PairedScores, paired_scores
from restorebench.benchmark.analysis.paired_tests import Sample, one_sided_p
from restorebench.benchmark.analysis.resampling import Draws
from restorebench.benchmark.analysis.significance import ALPHA, holm
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.errors import MAY_PASS, RequestError
from restorebench.benchmark.gate.baseline import (
    Baseline,
    Clip,
    listed,
    named_system,
    require_done,
    require_power,
    signature_of,
    successor,
)
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.store.records import planned_records
from restorebench.benchmark.store.store import Store

BROKEN_MARGINS = 10.0
"""A broken clip became worse by more than this many margins."""
BROKEN_RATE = 50.0
"""The same limit for an error rate, in percentage points."""
BROKEN_SPREADS = 8.0
"""A broken clip's difference is more than this many robust standard deviations (1.4826 median absolute deviations)
above the median of all clips' differences; the deviation is 0 if most clips' differences are equal."""

Whys = Mapping[tuple[str, str, str], str]
"""(condition, value, clip) -> why the clip lacks this value."""


@dataclass(frozen=True)
class GatedValue:
    """The comparison of one value on one condition, in the value's unit; `worse` > 0 if the new score is worse.

    `before`, `now` and `worse` are None when no clip has a value both in the baseline and in the store.
    """

    condition: str
    value: str
    margin: float
    clips: int = 0
    before: float | None = None
    now: float | None = None
    worse: float | None = None
    p: float = 1.0
    """One-sided p-value after Holm's correction."""
    lost: tuple[str, ...] = ()
    """Clips with fewer scored seeds than in the baseline."""
    lost_why: str = ""
    broken: tuple[str, ...] = ()
    """Clips that became far worse than the others did."""
    changed: int = 0
    """Number of clips whose score differs from the baseline."""
    tested: int = 1
    """Number of tests for which p is corrected."""

    @property
    def fails(self) -> bool:
        return bool(self.lost) or bool(self.broken) or self.worsened

    @property
    def worsened(self) -> bool:
        return self.worse is not None and self.p < ALPHA and self.worse > self.margin

    @property
    def why(self) -> str:
        reasons = []
        if self.lost:
            why = f": {self.lost_why}" if self.lost_why else ""
            reasons.append(f"fewer values than the baseline for {listed(self.lost)}{why}")
        if self.broken:
            reasons.append(f"broken: {listed(self.broken)}")
        if self.worse is not None and self.worse > self.margin:
            by = f"worse by {self.worse:.3g}"
            chance = f"{by}, but the difference is not significant (p {self.p:.2g})"
            if 2.0**-self.changed * self.tested >= ALPHA:
                chance = f"{by}, but only {self.changed} of {self.clips} clips changed: too few to test"
            reasons.append(f"{by}, margin {self.margin:g}, p {self.p:.2g}" if self.worsened else chance)
        elif self.worse is not None and self.p < ALPHA and self.worse > 0:
            reasons.append("significantly worse, but within the margin")
        return "; ".join(reasons)


@dataclass(frozen=True)
class GateResult:
    system: str
    baseline: Baseline
    judged: tuple[GatedValue, ...]

    @property
    def passes(self) -> bool:
        return not any(one.fails for one in self.judged)

    @property
    def exit_code(self) -> int:
        return 0 if self.passes else 1


def gate(store: Store, plan: Plan, baseline: Baseline, system: str = "") -> GateResult:
    """The verdict on a system of a store; default: the system with the baseline's name, whatever its checkpoint.

    Raises RequestError when the system cannot be judged: the clips or the signature of a metric differ, or a system or
    value was not planned or has not been measured yet.
    """
    if (plan.suite.name, plan.trials_digest) != (baseline.suite, baseline.trials):
        raise RequestError(
            f"cannot judge: the store holds {plan.suite.name} with clips {plan.trials_digest[:12]}, the baseline was "
            f"made on {baseline.suite} with {baseline.trials[:12]}; run the same suite, or update the baseline"
        )
    chosen = named_system(plan.systems, system) if system else successor(plan.systems, baseline.system)
    for name in baseline.values:
        now, then = signature_of(plan, name), baseline.signatures[name]
        if now != then:
            raise RequestError(
                f"cannot judge: {name} is measured by {now or 'nothing'}, the baseline by {then}; "
                "measure with the baseline's version, or update the baseline"
            )
    rows = planned_records(plan, store)
    rows = rows[(rows["system"] == chosen) & rows["value_name"].isin(baseline.values)]
    rows = rows[rows["condition"].isin(set(baseline.clips))]
    planned = set(zip(rows["condition"], rows["value_name"], strict=True))
    for condition, values in baseline.clips.items():
        for name in values:
            if (condition, name) not in planned:
                raise RequestError(f"cannot judge: {chosen} has no {name} on {condition}; run it with that metric")
    require_done(rows)
    missing = rows[rows["value"].isna()]
    guarded = [
        clip in baseline.clips[condition].get(name, {})
        for condition, name, clip in zip(missing["condition"], missing["value_name"], missing["utterance"], strict=True)
    ]
    missing = missing[np.array(guarded, dtype=bool)]
    if count := int(missing["why"].str.contains(MAY_PASS, regex=False).sum()):
        raise RequestError(
            f"cannot judge: {count} values are missing for a temporary reason, such as a killed worker process; "
            "run the suite again"
        )
    keys = zip(missing["condition"], missing["value_name"], missing["utterance"], strict=True)
    whys = dict(zip(keys, missing["why"], strict=True))
    return judge(list(paired_scores(plan, rows)), baseline, chosen, whys=whys)


def judge(
    measured: Sequence[PairedScores],
    baseline: Baseline,
    system: str,
    draws: Draws | None = None,
    whys: Whys | None = None,
) -> GateResult:
    """The verdict on a system's scores. A value without any score has lost all its clips."""
    draws = draws or Draws("gate")
    by_value = {(paired.condition, paired.value.name): paired for paired in measured}
    to_test = []
    for condition, values in baseline.clips.items():
        for name, clips in values.items():
            bare = GatedValue(condition, name, baseline.margins[name])
            to_test.append(_judge(bare, by_value.get((condition, name)), system, clips, whys or {}, draws))
    if not all(one.lost for one, _ in to_test):
        require_power([len(clips) for values in baseline.clips.values() for clips in values.values()])
    corrected = holm([p for _, p in to_test])
    gated = tuple(replace(one, p=float(p), tested=len(to_test)) for (one, _), p in zip(to_test, corrected, strict=True))
    return GateResult(system, baseline, gated)


def _judge(
    bare: GatedValue, new: PairedScores | None, system: str, before: Mapping[str, Clip], whys: Whys, draws: Draws
) -> tuple[GatedValue, float]:
    """The comparison of new and old scores on their common clips, and the one-sided p before any correction."""
    now = _clips(new, system) if new else {}
    lost = tuple(clip for clip, (_, _, seeds) in before.items() if now.get(clip, (0.0, 0.0, 0))[2] < seeds)
    why = next((why for clip in lost if (why := whys.get((bare.condition, bare.value, clip)))), "")
    common = [clip for clip in before if clip in now]
    bare = replace(bare, lost=lost, lost_why=why, clips=len(common))
    if new is None or not common:
        return bare, 1.0
    sign = -1.0 if new.value.direction == "higher" else 1.0
    # Numerators and denominators [now or before, clip]; the sign is chosen such that a larger score is worse.
    numerator, denominator = np.array([[now[clip][:2], before[clip][:2]] for clip in common]).transpose(2, 1, 0)
    score_now, score_before = (float(part) * new.factor for part in numerator.sum(1) / denominator.sum(1))
    sample = Sample(sign * numerator, denominator, np.arange(len(common)))
    scores = numerator / denominator * new.factor
    differences = sign * (scores[0] - scores[1])
    gated = replace(
        bare,
        before=score_before,
        now=score_now,
        worse=sign * (score_now - score_before) + 0.0,
        broken=tuple(common[n] for n in _broken(differences, limit))
        if (limit := clip_limit(new.value, bare.margin))
        else (),
        changed=int(np.count_nonzero(differences)),
    )
    return gated, one_sided_p(sample, draws)


def clip_limit(value: Value, margin: float) -> float:
    """By how much a single clip may become worse: ten margins, or 50 percentage points for a value in percent.

    In any other unit, a margin of 0 gives a limit of 0. Single clips are then not checked.
    """
    return BROKEN_RATE if value.unit == "%" else BROKEN_MARGINS * margin


def _broken(differences: NDArray[np.float64], least: float) -> NDArray[np.intp]:
    """Indices of outliers among the clips' `differences` that also exceed `least`; the largest difference first."""
    median = float(np.median(differences))
    spread = 1.4826 * float(np.median(np.abs(differences - median)))
    limit = max(least, median + BROKEN_SPREADS * spread)
    indices = np.flatnonzero(differences > limit)
    return indices[np.argsort(-differences[indices])]


def _clips(paired: PairedScores, system: str) -> dict[str, Clip]:
    """The clips on which a system has a value."""
    row = paired.systems.index(system)
    parts = zip(
        paired.clips, paired.sample.numerator[row], paired.sample.denominator[row], paired.seeds[row], strict=True
    )
    return {
        clip: (numerator, denominator, int(seeds))
        for clip, numerator, denominator, seeds in parts
        if math.isfinite(numerator)
    }
