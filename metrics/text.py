"""The one normaliser module: text rules by versioned name, applied to reference and hypothesis alike."""

from __future__ import annotations

import re
import unicodedata

PAPER = "paper@1"


def paper(text: str) -> str:
    """Lower case; apostrophes kept, other punctuation to spaces, spaces collapsed (specs D20, §7.1).

    >>> paper("Well-known, isn't it?")
    "well known isn't it"
    """
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    return " ".join(re.sub(r"[^\w' ]|_", " ", text).split())
