"""The one normaliser module: text rules by versioned name, applied to reference and hypothesis alike."""

from __future__ import annotations

import re
import string
import unicodedata

PAPER = "paper@1"
SEED_TTS = "seed-tts@1"


def paper(text: str) -> str:
    """Lower case; apostrophes kept, other punctuation to spaces, spaces collapsed (specs D20, §7.1).

    >>> paper("Well-known, isn't it?")
    "well known isn't it"
    """
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    return " ".join(re.sub(r"[^\w' ]|_", " ", text).split())


def seed_tts(text: str) -> str:
    """seed-tts-eval's English rule: punctuation deleted (not replaced), apostrophes kept, lower case (specs §7.2).

    >>> seed_tts("Well-known, isn't it?")
    "wellknown isn't it"
    """
    kept = "".join(c for c in text if c == "'" or c not in string.punctuation)
    return kept.replace("  ", " ").lower()
