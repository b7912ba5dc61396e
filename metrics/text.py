"""The one normaliser module: text rules by versioned name, applied to reference and hypothesis alike."""

from __future__ import annotations

import re
import string
import unicodedata
from functools import cache
from typing import Any

PAPER = "paper@1"
SEED_TTS = "seed-tts@2"
SEED_TTS_ZH = "seed-tts-zh@1"
WHISPER_EN = "whisper-en@1"
ZH_NUMBERS = "zh-numbers@1"


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


def whisper_en(text: str) -> str:
    """Whisper's own English rules: numbers as digits, British spelling to American, contractions spelled out.

    >>> whisper_en("Twenty-one colours, isn't it?")
    '21 colors is not it'
    """
    return str(_whisper_rules()(text)).strip()


@cache
def _whisper_rules() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def zh_numbers(text: str) -> str:
    """seed-tts-eval's Mandarin rule after numerals are written out and characters are simplified.

    Whisper writes 3 where a transcript has 三, and traditional characters at times.

    >>> zh_numbers("他買了3本書。")
    '他 买 了 三 本 书'
    """
    import cn2an

    return seed_tts_zh(_simplifier().convert(cn2an.transform(text, "an2cn")))


@cache
def _simplifier() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


def _without_punctuation(text: str) -> str:
    from zhon.hanzi import punctuation

    dropped = {*string.punctuation, *punctuation} - {"'"}
    return "".join(c for c in text if c not in dropped)
