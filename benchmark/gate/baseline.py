"""The gate's baseline file: one system's scores per clip, margins, metric signatures and package versions."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from restorebench.benchmark.analysis.paired_scores import paired_scores
from restorebench.benchmark.analysis.resampling import DRAWS
from restorebench.benchmark.analysis.significance import ALPHA
from restorebench.benchmark.core import provenance
from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan
from restorebench.benchmark.store.records import planned_records
from restorebench.benchmark.store.store import Store

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seeds = Annotated[int, Field(ge=1)]
Clip = tuple[FiniteFloat, Weight, Seeds]
"""A clip's numerator and denominator (means over its seeds), and the number of its seeds that have a value."""
Clips = Annotated[dict[str, Clip], Field(min_length=1)]
Margin = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Baseline(BaseModel):
    """The content of a baseline file."""

    model_config = ConfigDict(extra="forbid")

    suite: str
    trials: str
    """Digest of the degraded clips."""
    system: str
    reason: str
    """Why the baseline was made or changed."""
    made_with: dict[str, str] = Field(default_factory=dict)
    margins: dict[str, Margin]
    signatures: dict[str, str]
    """Value -> signature of its metric."""
    clips: Annotated[dict[str, Annotated[dict[str, Clips], Field(min_length=1)]], Field(min_length=1)]
    """Condition -> value -> clip -> scores."""

    @model_validator(mode="after")
    def _complete(self) -> Baseline:
        for name in self.values:
            for entry, known in (("margin", self.margins), ("signature", self.signatures)):
                if name not in known:
                    raise ValueError(f"{name} has no {entry}")
        return self

    @property
    def values(self) -> list[str]:
        """Names of the values that the baseline guards on at least one condition."""
        return list(dict.fromkeys(name for values in self.clips.values() for name in values))


def baseline_of(
    store: Store,
    plan: Plan,
    system: str,
    reason: str,
    margins: Mapping[str, float] | None = None,
    values: Collection[str] = (),
    conditions: Collection[str] = (),
) -> tuple[Baseline, list[str]]:
    """A new baseline of the given values and conditions; default: all values that have a margin, on all conditions.

    Returns the baseline and a line for each failed value: "VALUE on CONDITION: clips: why". Raises RequestError for an
    unknown name, a value without a margin, too few clips for a test, or values that are not measured yet.
    """
    known_margins = {**default_margins(plan), **(margins or {})}
    chosen = named_system(plan.systems, system)
    rows = planned_records(plan, store)
    rows = rows[rows["system"] == chosen]
    wanted = set(values) or set(known_margins)
    _require_known("value", values, rows["value_name"])
    _require_known("condition", conditions, rows["condition"])
    if unbounded := sorted(set(values) - set(known_margins)):
        raise RequestError(f"{unbounded[0]} has no margin; give one with --margin {unbounded[0]}=NUMBER")
    rows = rows[rows["value_name"].isin(wanted) & rows["condition"].isin(set(conditions) or set(rows["condition"]))]
    require_done(rows)
    clips: dict[str, dict[str, dict[str, Clip]]] = {}
    for paired in paired_scores(plan, rows):
        row = paired.systems.index(chosen)
        parts = zip(
            paired.clips, paired.sample.numerator[row], paired.sample.denominator[row], paired.seeds[row], strict=True
        )
        scores = {
            clip: (float(numerator), float(denominator), int(seeds))
            for clip, numerator, denominator, seeds in parts
            if seeds
        }
        clips.setdefault(paired.condition, {})[paired.value.name] = scores
    if not len(rows):
        raise RequestError(f"{chosen} has no value with a margin; give one with --margin VALUE=NUMBER")
    missing = holes(rows)
    if not clips:
        raise RequestError(f"{chosen} has nothing to guard: {'; '.join(missing)}")
    names = {name for measured in clips.values() for name in measured}
    require_power([len(scores) for measured in clips.values() for scores in measured.values()])
    baseline = Baseline(
        suite=plan.suite.name,
        trials=plan.trials_digest,
        system=chosen,
        reason=reason,
        made_with=provenance.collect()["versions"],
        margins={name: known_margins[name] for name in sorted(names)},
        signatures={name: signature_of(plan, name) for name in sorted(names)},
        clips=clips,
    )
    return baseline, missing


def default_margins(plan: Plan) -> dict[str, float]:
    """The margins that the metric cards of a plan give for their values."""
    values = [value for card in plan.metric_cards.values() for value in card.values]
    return {value.name: value.margin for value in values if value.margin is not None}


def holes(rows: pd.DataFrame) -> list[str]:
    """A line per value and condition with missing scores: "VALUE on CONDITION: clips: why"."""
    lines = []
    for (condition, name), group in rows[rows["value"].isna()].groupby(["condition", "value_name"], sort=False):
        clips = list(dict.fromkeys(group["utterance"]))
        lines.append(f"{name} on {condition}: {listed(clips)}: {group['why'].iloc[0]}")
    return lines


def dropped(old: Baseline, new: Baseline) -> list[str]:
    """A line per value and condition that the new baseline lacks, entirely or for some clips of the old baseline."""
    missing = []
    for condition, values in old.clips.items():
        for name, clips in values.items():
            new_clips = new.clips.get(condition, {}).get(name, {})
            if not new_clips:
                missing.append(f"{name} on {condition}")
            elif lost := [clip for clip in clips if clip not in new_clips]:
                missing.append(f"{name} on {condition}: {listed(lost)}")
    return missing


def listed(names: Sequence[str]) -> str:
    """The first three names, and the number of further names, as text."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def named_system(known: Sequence[str], wanted: str) -> str:
    """The system of this name; a name without a checkpoint is enough where the store has exactly one such system.

    Raises RequestError otherwise.
    """
    if wanted in known:
        return wanted
    candidates = [] if "@" in wanted else _of_row(known, wanted)
    if len(candidates) != 1:
        raise RequestError(f"cannot judge: the store has {', '.join(known)}; name one of them with --system")
    return candidates[0]


def successor(known: Sequence[str], old: str) -> str:
    """The store's system of the same name as a baseline's system, whatever their checkpoints.

    Raises RequestError unless there is exactly one.
    """
    candidates = _of_row(known, old)
    if len(candidates) != 1:
        raise RequestError(
            f"cannot judge: the store has {', '.join(known)}, the baseline is of {old}; name a system with --system"
        )
    return candidates[0]


def _of_row(known: Sequence[str], name: str) -> list[str]:
    return [system for system in known if system.partition("@")[0] == name.partition("@")[0]]


def require_done(rows: pd.DataFrame) -> None:
    """Raises RequestError when planned values have not been measured yet: an interrupted run cannot be judged."""
    missing = rows[~rows["done"]]
    if len(missing):
        names = listed(list(dict.fromkeys(missing["value_name"])))
        raise RequestError(f"cannot judge: {len(missing)} values ({names}) are not measured yet; run the suite again")


def require_power(clips: Sequence[int]) -> None:
    """Raises RequestError when no regression could be significant: too few clips, or too many values for a correction.

    clips: number of clips of each value.
    """
    if 0.5 / (DRAWS + 1) * len(clips) >= ALPHA:
        raise RequestError(f"cannot judge: {len(clips)} values are too many for Holm's correction; name some (--value)")
    needed = math.ceil(math.log2(len(clips) / ALPHA)) if clips else 0
    if clips and min(clips) < needed:
        raise RequestError(
            f"cannot judge: {min(clips)} clips are too few for a significant regression among {len(clips)} values; "
            f"wanted {needed} or more clips, or fewer values (--value, --condition)"
        )


def _require_known(kind: str, wanted: Collection[str], known: Collection[str]) -> None:
    if absent := sorted(set(wanted) - set(known)):
        raise RequestError(f"{kind} {absent[0]}: not measured here; measured: {', '.join(sorted(set(known)))}")


def signature_of(plan: Plan, value: str) -> str:
    """The signature of the metric that gives a value; "" when the plan has none."""
    for name, card in plan.metric_cards.items():
        if value in {v.name for v in card.values}:
            return plan.signatures[name]
    return ""


def margins_of(texts: Sequence[str]) -> dict[str, float]:
    """Value -> margin, from `VALUE=NUMBER` texts. Raises RequestError for any other text."""
    margins = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            margins[name] = float(number)
        except ValueError as error:
            raise RequestError(f"--margin {text}: wanted VALUE=NUMBER, as in dnsmos.ovl=0.05") from error
        if not name or not 0 <= margins[name] < math.inf:
            raise RequestError(f"--margin {text}: wanted VALUE=NUMBER with a finite number of at least 0")
    return margins


def read_baseline(path: Path) -> Baseline:
    """Raises RequestError for a file that is absent or not a baseline."""
    if not path.is_file():
        raise RequestError(f"{path}: no such baseline; make it with --update-baseline --reason TEXT")
    try:
        return Baseline.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "as a whole"
        raise RequestError(f"{path}: not a baseline: {field}: {first['msg']}") from error


def write_baseline(path: Path, baseline: Baseline) -> None:
    text = json.dumps(baseline.model_dump(), indent=1, sort_keys=True, ensure_ascii=False)
    write_atomic(path, f"{text}\n".encode())
