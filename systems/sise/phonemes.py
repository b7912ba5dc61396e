"""Phone alignments and what the codec learns from them: one class per frame (SISE §2.1).

Alignments come from Montreal Forced Aligner's TextGrids, as in the paper, or from the built-in aligner. A frame has the
phone at its centre; silence is one class, and all phones outside the phone set share another one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restorebench.benchmark.errors import RequestError

ARPABET = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
# Symbols of Montreal Forced Aligner's english_mfa and mandarin_mfa (IPA), without tone, length, aspiration and
# secondary articulation.
MFA_IPA = (
    "a", "aj", "aw", "b", "c", "d", "d̪", "dz", "dʐ", "dʒ", "e", "ej", "f", "h", "i", "j", "k", "l", "m", "n", "o",
    "ow", "p", "s", "t", "t̪", "ts", "tɕ", "tʂ", "tʃ", "u", "v", "w", "x", "y", "z", "z̩", "æ", "ç", "ð", "ŋ", "ɐ", "ɑ",
    "ɒ", "ɔ", "ɔj", "ɕ", "ə", "əw", "ɚ", "ɛ", "ɜ", "ɝ", "ɟ", "ɡ", "ɤ", "ɥ", "ɪ", "ɫ", "ɱ", "ɲ", "ɹ", "ɻ", "ɾ", "ʂ",
    "ʃ", "ʈʂ", "ʉ", "ʊ", "ʎ", "ʌ", "ʐ", "ʐ̩", "ʒ", "ʔ", "œ", "θ",
)  # fmt: skip
# Initials and finals of Montreal Forced Aligner's mandarin_pinyin, without tone.
PINYIN = (
    "a", "ai", "an", "ang", "ao", "b", "c", "ch", "d", "e", "ei", "en", "eng", "er", "f", "g", "h", "i", "ia", "ian",
    "iang", "iao", "ie", "ii", "iii", "in", "ing", "io", "iong", "iu", "j", "k", "l", "m", "n", "o", "ong", "ou", "p",
    "q", "r", "s", "sh", "t", "u", "ua", "uai", "uan", "uang", "ue", "ui", "un", "uo", "v", "van", "ve", "vn", "w", "x",
    "y", "z", "zh",
)  # fmt: skip
NAMED_SETS = {
    "arpabet": ARPABET,
    "arpabet-pinyin": (*ARPABET, *PINYIN),
    "mfa-en-zh": tuple(dict.fromkeys((*ARPABET, *MFA_IPA, *PINYIN))),
}
"""`mfa-en-zh`: the union of the three lists above, for MFA's English and Mandarin models; phones that differ only in
`MODIFIERS` share a class. `arpabet-pinyin`: the symbols of MFA's english_us_arpa and mandarin_pinyin, which are also
the phones of our text-to-speech system."""
MODIFIERS = re.compile("[ːˑʰʱʲʷˠˤ˞˥˦˧˨˩⁰¹²³⁴⁵0-9]|\u0303")
"""Marks of length, aspiration, secondary articulation, nasality, tone and stress."""
SYLLABIC = re.compile("\u0329")
"""The mark of a syllabic consonant: m̩ counts as m if the phone set has no m̩."""
SILENCES = frozenset({"", "SIL", "SP", "<SIL>", "+NSN+", "+BREATH+", "<EPS>"})
SILENCE, UNKNOWN = 0, 1
"""Classes of frames without speech, and of speech whose phones are not known."""
IGNORED = -100
"""Label of every frame of a clip without alignment: losses ignore it."""


@dataclass(frozen=True)
class Interval:
    """A phone, or a word, from `start` to `end` in seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Alignment:
    phones: tuple[Interval, ...]
    words: tuple[Interval, ...] = ()


@dataclass(frozen=True)
class PhoneSet:
    """Class ids of phones; stress, tone, length and aspiration are dropped where the whole symbol is not in the set."""

    names: tuple[str, ...] = ARPABET

    @property
    def classes(self) -> int:
        return 2 + len(self.names)

    def id(self, phone: str) -> int:
        bare = phone.upper().rstrip("012")
        if bare in SILENCES:
            return SILENCE
        plain = MODIFIERS.sub("", phone)
        # The upper-case form, for ARPAbet in lower case, is tried last: pinyin's zh must not become ARPAbet's ZH.
        for symbol in (phone, plain, SYLLABIC.sub("", plain), bare):
            if symbol in self.names:
                return 2 + self.names.index(symbol)
        return UNKNOWN


def unknown_share(alignments: Sequence[Alignment], phones: PhoneSet) -> tuple[float, list[str]]:
    """(share of the non-silent time whose phone is outside the set, those phones by total time, longest first).

    `spn`, the aligner's symbol for unknown words, counts as a phone outside the set.
    """
    speech = 0.0
    outside: dict[str, float] = {}
    for interval in (interval for alignment in alignments for interval in alignment.phones):
        phone = phones.id(interval.name)
        if phone != SILENCE:
            speech += interval.end - interval.start
        if phone == UNKNOWN:
            outside[interval.name] = outside.get(interval.name, 0.0) + interval.end - interval.start
    share = sum(outside.values()) / speech if speech else 0.0
    return share, sorted(outside, key=lambda name: -outside[name])


def frame_labels(
    alignment: Alignment, phones: PhoneSet, start_s: float, frames: int, hop: int, rate: int
) -> NDArray[np.int64]:
    """Classes [frame] of the crop that begins at `start_s`: frame k has the phone at `start_s` + (k + 1/2) hop / rate.

    Frames outside every interval, such as padding, are silence.
    """
    centres = start_s + (np.arange(frames) + 0.5) * hop / rate
    labels = np.full(frames, SILENCE, dtype=np.int64)
    for interval in alignment.phones:
        labels[(centres >= interval.start) & (centres < interval.end)] = phones.id(interval.name)
    return labels


TIER = re.compile(r'name = "(?P<name>[^"\n]*)".*?(?=item \[|\Z)', re.DOTALL)
ENTRY = re.compile(r'xmin = (?P<start>[\d.]+)\s+xmax = (?P<end>[\d.]+)\s+text = "(?P<text>[^"]*)"')


def read_textgrid(path: Path) -> Alignment:
    """The `phones` and `words` tiers of a TextGrid in Praat's long format, as MFA writes it. Raises RequestError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: cannot be read as a TextGrid ({error})") from error
    tiers = {
        tier["name"].rpartition(" - ")[2]: tuple(
            Interval(entry["text"], float(entry["start"]), float(entry["end"])) for entry in ENTRY.finditer(tier[0])
        )
        for tier in TIER.finditer(text)
    }
    if not tiers.get("phones"):
        seen = ", ".join(tiers) or "none"
        raise RequestError(
            f"{path}: no tier `phones` with intervals (tiers: {seen}); wanted MFA's long TextGrid format"
        )
    return Alignment(tiers["phones"], tiers.get("words", ()))
