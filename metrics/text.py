"""The one normaliser module: text rules by versioned name, applied to reference and hypothesis alike."""

from __future__ import annotations

import re
import string
import unicodedata

PAPER = "paper@1"
SEED_TTS = "seed-tts@2"
SEED_TTS_ZH = "seed-tts-zh@1"
WHISPER_EN = "whisper-en@1"
"""Whisper's own English rules, asked of its package."""


def paper(text: str) -> str:
    """Lower case; apostrophes kept, other punctuation to spaces, spaces collapsed (decision D20).

    >>> paper("Well-known, isn't it?")
    "well known isn't it"
    """
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    return " ".join(re.sub(r"[^\w' ]|_", " ", text).split())


def seed_tts(text: str) -> str:
    """seed-tts-eval's English rule: punctuation deleted (not replaced), apostrophes kept, lower case.

    Double spaces become single ones once, as there.

    >>> seed_tts("Well-known, isn't it?")
    "wellknown isn't it"
    """
    return _without_punctuation(text).replace("  ", " ").lower()


def seed_tts_zh(text: str) -> str:
    """seed-tts-eval's Mandarin rule: punctuation deleted, every character a word of its own.

    >>> seed_tts_zh("你好，世界。")
    '你 好 世 界'
    """
    return " ".join(_without_punctuation(text).replace("  ", " ")).strip()


def _without_punctuation(text: str) -> str:
    from zhon.hanzi import punctuation

    dropped = {*string.punctuation, *punctuation} - {"'"}
    return "".join(c for c in text if c not in dropped)
