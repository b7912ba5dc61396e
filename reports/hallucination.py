"""Hallucinations: what systems say that nobody said, leave out, or say in another voice, and how sure they sound."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pandas as pd

from restorebench.benchmark.types import Table
from restorebench.reports.board import DASH

GOOD_OVL = 3.0
"""DNSMOS OVL from which a clip sounds good."""
WRONG = 0.5
"""Errors per word from which a clip is wrong."""
OTHER_VOICE = {"spk_sim@wespeaker": 0.65, "spk_sim@resemblyzer": 0.65, "sim_o": 0.25}
"""Similarities below which a voice is hardly the speaker's. WeSpeaker's is the mapped cosine."""
WORDS = ("wer@nemo", "wer@whisper", "wer@seed-tts-en", "cer@seed-tts-zh", "wer")
"""Recognisers, the best first."""
LISTED = 3


def panel(records: pd.DataFrame, shown: Callable[[str], str] = str) -> list[Table]:
    """A table per condition, from the plan's records; nothing where neither words nor pauses nor voices were judged.

    shown: how a system is written.
    """
    tables = []
    for condition, here in records[records["value"].notna()].groupby("condition", sort=False):
        measured = set(here["value_name"])
        words = next((name for name in WORDS if name in measured), None)
        voice = next((name for name in OTHER_VOICE if name in measured), None)
        if words is None and voice is None and "ghost" not in measured:
            continue
        rows = [
            (shown(str(system)), *_row(mine, words, voice)) for system, mine in here.groupby("system", sort=False)
        ]  # fmt: skip
        notes = []
        if words:
            notes.append(
                f"words by {words}; good but wrong: DNSMOS OVL of {GOOD_OVL} or more and {100 * WRONG:.0f} % errors"
            )
        if voice:
            notes.append(f"other voice: {voice} below {OTHER_VOICE[voice]}")
        if "ghost" in measured:
            notes.append("ghost: share of the target's pauses that are filled with sound")
        columns = ("system", "inserted %", "deleted %", "substituted %", "good but wrong", "other voice", "ghost %")
        tables.append(Table(f"{condition}", columns, tuple(rows), tuple(notes)))
    return tables


def _row(mine: pd.DataFrame, words: str | None, voice: str | None) -> tuple[str, ...]:
    parts = _components(mine, words)
    total = parts["total"].sum() if len(parts) else 0
    kinds = ("insertions", "deletions", "substitutions")
    rates = [f"{100 * parts[kind].sum() / total:.1f}" if total else DASH for kind in kinds]
    return (*rates, _wrong(mine, parts), _voices(mine, voice), _ghost(mine))


def _components(mine: pd.DataFrame, name: str | None) -> pd.DataFrame:
    """Counts per clip (mean over its seeds), by clip."""
    chosen = mine[mine["value_name"] == name]
    counts = pd.DataFrame([json.loads(text) for text in chosen["components"]], index=chosen["utterance"])
    return counts.groupby(level=0, sort=False).mean()


def _wrong(mine: pd.DataFrame, parts: pd.DataFrame) -> str:
    quality = mine[mine["value_name"] == "dnsmos.ovl"].groupby("utterance")["value"].mean()
    if not len(parts) or not len(quality):
        return DASH
    both = parts[parts.index.isin(quality.index)]
    wrong = both.index[both["errors"] >= WRONG * both["total"]]
    return _clips([clip for clip in wrong if quality[clip] >= GOOD_OVL], len(both))


def _voices(mine: pd.DataFrame, name: str | None) -> str:
    if name is None:
        return DASH
    voices = mine[mine["value_name"] == name].groupby("utterance")["value"].mean().sort_values()
    return _clips([str(clip) for clip in voices.index[voices < OTHER_VOICE[name]]], len(voices))


def _ghost(mine: pd.DataFrame) -> str:
    parts = _components(mine, "ghost")
    total = parts["total"].sum() if len(parts) else 0
    return f"{100 * parts['errors'].sum() / total:.1f}" if total else DASH


def _clips(found: Sequence[str], of: int) -> str:
    """How many clips, and the first of them."""
    if not found:
        return f"0 of {of}"
    more = ", …" if len(found) > LISTED else ""
    return f"{len(found)} of {of}: {', '.join(found[:LISTED])}{more}"
