"""All text normalisers, with versioned names. Each is applied to both the reference text and the transcript.

Every normaliser begins with `spoken`, which removes unspoken characters (quotation marks of any kind, invisible
characters) and replaces every kind of apostrophe by one character.
"""

from __future__ import annotations

import re
import string
import unicodedata
from functools import cache
from typing import Any

PAPER = "paper@2"
SEED_TTS = "seed-tts@3"
SEED_TTS_ZH = "seed-tts-zh@2"
WHISPER_EN = "whisper-en@2"
ZH_NUMBERS = "zh-numbers@2"


APOSTROPHES = "'\u2018\u2019\u201b\u02bb\u02bc\u02b9\u2032\u0060\u00b4\uff07"
QUOTES = '"\u201a\u201e\u2033\u301d\u301e\u301f\uff02'
"""Quotation marks outside the Unicode categories Pi and Pf."""
QUOTE = "\x00"
"""Placeholder for a quotation mark; it becomes a space between two word characters, else it is removed."""


def spoken(text: str) -> str:
    """The text without unspoken characters; in NFC, with plain spaces and apostrophes.

    >>> spoken("\u201cDon\u2019t,\u201d he said.\u200b")
    "Don't, he said."
    """
    kept = []
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if character in APOSTROPHES:
            kept.append("'")
        elif character in QUOTES or category in ("Pi", "Pf"):
            kept.append(QUOTE)
        elif category in ("Zs", "Zl", "Zp", "Cc"):
            kept.append(" ")
        elif category[0] != "C":  # format characters: joiners, marks of direction, byte order marks, soft hyphens
            kept.append(character)
    quoted = re.sub(r"(?<!\w)'|'(?!\w)", QUOTE, "".join(kept))
    parted = re.sub(rf"(?<=\w){QUOTE}+(?=\w)", " ", quoted)
    return " ".join(parted.replace(QUOTE, "").split())


def paper(text: str) -> str:
    """Lower case; apostrophes are kept, other punctuation becomes spaces, spaces are collapsed (decision D20).

    >>> paper("Well-known, isn't it?")
    "well known isn't it"
    """
    text = unicodedata.normalize("NFKC", spoken(text)).lower()
    return " ".join(re.sub(r"[^\w' ]|_", " ", text).split())


def seed_tts(text: str) -> str:
    """seed-tts-eval's English rule: punctuation is deleted (not replaced), apostrophes are kept; lower case.

    Double spaces are replaced by single ones in one pass, as in seed-tts-eval.

    >>> seed_tts("Well-known, isn't it?")
    "wellknown isn't it"
    """
    return _without_punctuation(spoken(text)).replace("  ", " ").lower()


def seed_tts_zh(text: str) -> str:
    """seed-tts-eval's Mandarin rule: punctuation is deleted, and every character is a word.

    >>> seed_tts_zh("你好，世界。")
    '你 好 世 界'
    """
    return " ".join(_without_punctuation(spoken(text)).replace("  ", " ")).strip()


def whisper_en(text: str) -> str:
    """Whisper's own English rules: numbers as digits, British spelling to American, contractions spelled out.

    >>> whisper_en("Twenty-one colours, isn't it?")
    '21 colors is not it'
    """
    return str(_whisper_rules()(spoken(text))).strip()


@cache
def _whisper_rules() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def zh_numbers(text: str) -> str:
    """seed-tts-eval's Mandarin rule after numerals are written out and characters are simplified.

    Whisper writes 3 where a transcript has 三, and sometimes writes traditional characters.

    >>> zh_numbers("他買了3本書。")
    '他 买 了 三 本 书'
    """
    import cn2an

    return seed_tts_zh(_simplifier().convert(cn2an.transform(spoken(text), "an2cn")))


@cache
def _simplifier() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


def _without_punctuation(text: str) -> str:
    from zhon.hanzi import punctuation

    dropped = {*string.punctuation, *punctuation} - {"'"}
    return "".join(c for c in text if c not in dropped)
