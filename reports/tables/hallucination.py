"""Hallucinations: words that were inserted, left out or replaced, clips in another voice, pauses filled with sound.

A metric's value for a clip is compared with its value for the target or the degraded input of this clip, because a
recogniser may fail on clean speech, and a speaker model on noisy speech, whatever the system does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from restorebench.benchmark.analysis.board import FEWEST_PAUSES
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.types import Table
from restorebench.reports.tables.board import DASH

GOOD_OVL = 3.0
"""DNSMOS OVL from which a clip sounds good."""
WRONG = 0.5
"""Errors per word, beyond those of the target, from which a clip is wrong."""
CLEAN_ERRORS = 0.1
"""Errors per word of clean speech above which a recogniser is not used to find wrong clips."""
LISTED = 3
COLUMNS = ("system", "inserted %", "deleted %", "substituted %", "good but wrong", "other voice", "ghost %")


@dataclass(frozen=True)
class Heard:
    """The measured values from which hallucinations are found."""

    words: Value | None
    voice: Value | None
    pauses: Value | None
    quality: Value | None


def panel(records: pd.DataFrame, values: Sequence[Value], shown: Callable[[str], str] = str) -> list[Table]:
    """A table per condition, from the plan's records; nothing where neither words nor pauses nor voices were scored.

    Args:
        records: Records of the plan (`planned_records`).
        values: The values of the plan's metrics; their roles show which ones measure words, voices, pauses and quality.
        shown: A function from a system's name to the name that is displayed.
    """
    tables = []
    for condition, here in records[records["value"].notna()].groupby("condition", sort=False):
        measured = set(here["value_name"])
        known = [value for value in sorted(values, key=lambda value: value.stand_in) if value.name in measured]
        heard = Heard(
            words=next((value for value in known if value.role == "intelligibility" and value.headline), None),
            voice=next((value for value in known if value.role == "voice" and value.limit is not None), None),
            pauses=next((value for value in known if value.role == "pauses"), None),
            quality=next((value for value in known if value.role == "quality" and value.headline), None),
        )
        if heard.words or heard.voice or heard.pauses:
            tables.append(_table(str(condition), here, heard, shown))
    return tables


def _table(condition: str, here: pd.DataFrame, heard: Heard, shown: Callable[[str], str]) -> Table:
    target, degraded = (here[here["system"] == name] for name in ("target", "unprocessed"))
    clean = _components(target, heard.words)
    rate = clean["errors"].sum() / clean["total"].sum() if len(clean) else None
    sure = rate is not None and rate <= CLEAN_ERRORS
    rows = [
        (
            shown(str(system)),
            *_rates(mine, heard.words),
            _wrong(mine, clean, heard) if sure else DASH,
            _voices(mine, degraded, heard.voice),
            _filled(mine, heard.pauses),
        )
        for system, mine in here.groupby("system", sort=False)
    ]
    kept = [at for at in range(len(COLUMNS)) if at == 0 or any(row[at] != DASH for row in rows)]
    notes = []
    if heard.words:
        notes.append(f"words by {heard.words.name}")
    if heard.words and sure:
        notes.append(
            f"good but wrong: OVL of {GOOD_OVL} or more, and a word error rate at least {100 * WRONG:.0f} percentage "
            "points above that of the clip's target"
        )
    elif heard.words:
        mishears = "needs a measured target" if rate is None else f"misrecognises {100 * rate:.0f} % of clean speech"
        notes.append(f"good but wrong is not shown: {heard.words.name} {mishears}")
    if heard.voice and not len(degraded):
        notes.append("other voice is not shown: it is judged against unprocessed, which was not measured")
    elif heard.voice:
        notes.append(f"other voice: {heard.voice.name} below {heard.voice.limit} and below that of the degraded clip")
    if heard.pauses:
        notes.append(
            f"ghost: share of the target's pauses that are filled; a dash if fewer than {FEWEST_PAUSES} clips have one"
        )
    return Table(
        condition, tuple(COLUMNS[at] for at in kept), tuple(tuple(r[at] for at in kept) for r in rows), tuple(notes)
    )


def _rates(mine: pd.DataFrame, words: Value | None) -> list[str]:
    parts = _components(mine, words)
    total = parts["total"].sum() if len(parts) else 0
    kinds = ("insertions", "deletions", "substitutions")
    return [f"{100 * parts[kind].sum() / total:.1f}" if total else DASH for kind in kinds]


def _components(mine: pd.DataFrame, value: Value | None) -> pd.DataFrame:
    """Counts per clip (mean over its seeds), by clip."""
    chosen = mine[mine["value_name"] == (value.name if value else None)]
    counts = pd.DataFrame([json.loads(text) for text in chosen["components"]], index=chosen["utterance"])
    return counts.groupby(level=0, sort=False).mean()


def _per_clip(mine: pd.DataFrame, value: Value | None) -> pd.Series[float]:
    return mine[mine["value_name"] == (value.name if value else None)].groupby("utterance")["value"].mean()


def _wrong(mine: pd.DataFrame, clean: pd.DataFrame, heard: Heard) -> str:
    """Clips that sound good although many of their words differ from those of the target."""
    parts, sounds = _components(mine, heard.words), _per_clip(mine, heard.quality)
    both = parts[parts.index.isin(sounds.index) & parts.index.isin(clean.index)] if len(parts) else parts
    if not len(both):
        return DASH
    more = both["errors"] - clean["errors"].reindex(both.index)
    wrong = both.index[more >= WRONG * both["total"]]
    return _clips([clip for clip in wrong if sounds[clip] >= GOOD_OVL], len(both))


def _voices(mine: pd.DataFrame, degraded: pd.DataFrame, voice: Value | None) -> str:
    """Clips with a speaker similarity to the target below the limit and below that of the degraded clip."""
    if voice is None or voice.limit is None:
        return DASH
    known = _per_clip(degraded, voice)
    voices = _per_clip(mine, voice).sort_values()
    voices = voices[voices.index.isin(known.index)]
    if not len(voices):
        return DASH
    other = (voices < voice.limit) & (voices < known.reindex(voices.index))
    return _clips([str(clip) for clip in voices.index[other]], len(voices))


def _filled(mine: pd.DataFrame, pauses: Value | None) -> str:
    parts = _components(mine, pauses)
    total = parts["total"].sum() if len(parts) >= FEWEST_PAUSES else 0
    return f"{100 * parts['errors'].sum() / total:.1f}" if total else DASH


def _clips(clips: Sequence[str], of: int) -> str:
    """The number of clips, and the names of the first ones."""
    if not clips:
        return f"0 of {of}"
    more = ", …" if len(clips) > LISTED else ""
    return f"{len(clips)} of {of}: {', '.join(clips[:LISTED])}{more}"
