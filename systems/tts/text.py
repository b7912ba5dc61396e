"""Phones of a text: ARPAbet for English, pinyin's initials and finals for Mandarin; punctuation becomes pauses.

English pronunciations are those of PocketSphinx's dictionary (CMUdict), with which the training speech is aligned. If a
word is not in the dictionary, its pronunciation is derived from the spelling, as in the aligner. Mandarin is read by
pypinyin, without tones.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

from restorebench.benchmark.errors import AudioError
from restorebench.systems.sise.aligner import guess, words_of
from restorebench.systems.sise.phonemes import SILENCE, UNKNOWN, PhoneSet

PAUSES = {",": 2, ";": 2, ":": 2, "\u2014": 2, ".": 4, "?": 4, "!": 4}
"""Punctuation mark -> number of pauses of 0.1 s."""
FULL_WIDTH = str.maketrans("\uff0c\u3001\uff1b\uff1a\u3002\uff1f\uff01\u2019", ",,;:.?!'")
PASSAGES = re.compile(r"[^,;:.?!\u2014]+|[,;:.?!\u2014]")
HAN = re.compile("[\u4e00-\u9fff]")
NOT_HAN = re.compile(r"(?![\u4e00-\u9fff])[^\W\d_]+|[$%&+=#@*/<>^|~\u20ac\u00a3\u00a5]")
NOT_ENGLISH = re.compile(r"(?![A-Za-z])[^\W\d_]+|[$%&+=#@*/<>^|~\u20ac\u00a3\u00a5]")
"""Letters of other scripts, and symbols that are spoken as words."""
AFTER_DENTAL, AFTER_RETROFLEX = {"z", "c", "s"}, {"zh", "ch", "sh", "r"}
"""Initials after which the final i is another vowel: ii and iii in Montreal Forced Aligner's pinyin."""


def phones_of_text(text: str, language: str, phones: PhoneSet) -> list[int]:
    """Classes of the phones of a text, with a pause for each 0.1 s at punctuation.

    Raises AudioError for a language or a character that cannot be read. Numbers must be written as words.
    """
    plain = unicodedata.normalize("NFKC", text).translate(FULL_WIDTH)
    if unreadable := re.findall(r"\d+", plain):
        raise AudioError(f"the text has digits ({unreadable[0]}); write numbers as words")
    symbols: list[str] = []
    for passage in PASSAGES.findall(plain):
        symbols += ["SIL"] * PAUSES[passage] if passage in PAUSES else _pronounced(passage, language)
    classes = [phones.id(symbol) for symbol in symbols]
    if UNKNOWN in classes:
        symbol = symbols[classes.index(UNKNOWN)]
        raise AudioError(f"the voice has no phone {symbol!r}: its phone set lacks {language!r}")
    if all(phone == SILENCE for phone in classes):
        raise AudioError(f"the text {text!r} has no words that can be read in {language!r}")
    return classes


def _pronounced(passage: str, language: str) -> list[str]:
    """Symbols of a passage without punctuation."""
    if language == "en":
        # Letters without their accents: caf\u00e9 is read as cafe.
        plain = "".join(c for c in unicodedata.normalize("NFKD", passage) if not unicodedata.combining(c))
        _require_read(NOT_ENGLISH.search(plain), "English")
        return [phone for word in words_of(plain) for phone in _pronunciation(word)]
    if language == "zh":
        return _mandarin(passage)
    raise AudioError(f"texts in {language!r} cannot be read; wanted en or zh")


@cache
def _pronunciation(word: str) -> list[str]:
    return (_dictionary().lookup_word(word) or guess(word)).split()


@cache
def _dictionary() -> Any:
    from pocketsphinx import Decoder

    return Decoder(lm=None, loglevel="FATAL")


def _mandarin(passage: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    _require_read(NOT_HAN.search(passage), "Mandarin")
    text = "".join(HAN.findall(passage))
    initials = lazy_pinyin(text, style=Style.INITIALS, strict=False)
    finals = lazy_pinyin(text, style=Style.FINALS, strict=False, v_to_u=False)
    symbols: list[str] = []
    for initial, final in zip(initials, finals, strict=True):
        if final == "i" and initial in AFTER_DENTAL | AFTER_RETROFLEX:
            final = "ii" if initial in AFTER_DENTAL else "iii"
        symbols += [symbol for symbol in (initial, final) if symbol]
    _require_read(HAN.search("".join(symbols)), "Mandarin: it has no known reading")
    return symbols


def _require_read(unreadable: re.Match[str] | None, language: str) -> None:
    """Raises AudioError for an unreadable letter or symbol; left out, it would count as a word error of the speech."""
    if unreadable:
        raise AudioError(f"{unreadable.group()!r} cannot be read in {language}")
