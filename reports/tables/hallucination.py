"""Hallucinations: words that were inserted, left out or replaced, clips in another voice, pauses filled with sound."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pandas as pd

from restorebench.benchmark.contracts import Value
from restorebench.benchmark.types import Table
from restorebench.reports.tables.board import DASH

GOOD_OVL = 3.0
"""DNSMOS OVL from which a clip sounds good."""
WRONG = 0.5
"""Errors per word from which a clip is wrong."""
LISTED = 3


def panel(records: pd.DataFrame, values: Sequence[Value], shown: Callable[[str], str] = str) -> list[Table]:
    """A table per condition, from the plan's records; nothing where neither words nor pauses nor voices were scored.

    Args:
        records: Of the plan (`planned_records`).
        values: The values of its metrics, by whose roles words, voices, pauses and quality are found.
        shown: How a system is written.
    """
    tables = []
    for condition, here in records[records["value"].notna()].groupby("condition", sort=False):
        measured = set(here["value_name"])
        known = [value for value in sorted(values, key=lambda value: value.stand_in) if value.name in measured]
        words = next((value for value in known if value.role == "intelligibility" and value.headline), None)
        voice = next((value for value in known if value.role == "voice" and value.limit is not None), None)
        pauses = next((value for value in known if value.role == "pauses"), None)
        quality = next((value for value in known if value.role == "quality" and value.headline), None)
        if words is None and voice is None and pauses is None:
            continue
        rows = [
            (shown(str(system)), *_row(mine, words, voice, pauses, quality))
            for system, mine in here.groupby("system", sort=False)
        ]
        notes = []
        if words:
            notes.append(
                f"words by {words.name}; good but wrong: OVL of {GOOD_OVL} or more and {100 * WRONG:.0f} % errors"
            )
        if voice:
            notes.append(f"other voice: {voice.name} below {voice.limit}")
        if pauses:
            notes.append("ghost: share of the target's pauses that are filled with sound")
        columns = ("system", "inserted %", "deleted %", "substituted %", "good but wrong", "other voice", "ghost %")
        tables.append(Table(f"{condition}", columns, tuple(rows), tuple(notes)))
    return tables


def _row(
    mine: pd.DataFrame, words: Value | None, voice: Value | None, pauses: Value | None, quality: Value | None
) -> tuple[str, ...]:
    parts = _components(mine, words)
    total = parts["total"].sum() if len(parts) else 0
    kinds = ("insertions", "deletions", "substitutions")
    rates = [f"{100 * parts[kind].sum() / total:.1f}" if total else DASH for kind in kinds]
    return (*rates, _wrong(mine, parts, quality), _voices(mine, voice), _filled(mine, pauses))


def _components(mine: pd.DataFrame, value: Value | None) -> pd.DataFrame:
    """Counts per clip (mean over its seeds), by clip."""
    chosen = mine[mine["value_name"] == (value.name if value else None)]
    counts = pd.DataFrame([json.loads(text) for text in chosen["components"]], index=chosen["utterance"])
    return counts.groupby(level=0, sort=False).mean()


def _per_clip(mine: pd.DataFrame, value: Value | None) -> pd.Series[float]:
    return mine[mine["value_name"] == (value.name if value else None)].groupby("utterance")["value"].mean()


def _wrong(mine: pd.DataFrame, parts: pd.DataFrame, quality: Value | None) -> str:
    sounds = _per_clip(mine, quality)
    if not len(parts) or not len(sounds):
        return DASH
    both = parts[parts.index.isin(sounds.index)]
    wrong = both.index[both["errors"] >= WRONG * both["total"]]
    return _clips([clip for clip in wrong if sounds[clip] >= GOOD_OVL], len(both))


def _voices(mine: pd.DataFrame, voice: Value | None) -> str:
    if voice is None or voice.limit is None:
        return DASH
    voices = _per_clip(mine, voice).sort_values()
    return _clips([str(clip) for clip in voices.index[voices < voice.limit]], len(voices))


def _filled(mine: pd.DataFrame, pauses: Value | None) -> str:
    parts = _components(mine, pauses)
    total = parts["total"].sum() if len(parts) else 0
    return f"{100 * parts['errors'].sum() / total:.1f}" if total else DASH


def _clips(found: Sequence[str], of: int) -> str:
    """How many clips, and the first of them."""
    if not found:
        return f"0 of {of}"
    more = ", …" if len(found) > LISTED else ""
    return f"{len(found)} of {of}: {', '.join(found[:LISTED])}{more}"
