"""The built-in aligner: PocketSphinx finds the times of a known transcript's phones. English only; needs no download.

There are two passes of forced alignment. The first aligns words, and also chooses between a word's pronunciations. The
second aligns the chosen phones, each as a word of its own. (PocketSphinx's own second pass, over states, fails on one
clip in five.)
Where the second pass ends before the last word, which happens to one clip in four, each remaining word is divided
evenly among its phones. Time that no phone covers is silence.
Words that PocketSphinx's dictionary lacks are aligned with a pronunciation guessed from their letters, and their frames
have the class of unknown phones.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice, pairwise
from typing import Any

import numpy as np

from restorebench.benchmark.audio import resample
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.types import Audio
from restorebench.systems.sise.phonemes import ARPABET, Alignment, Interval

RATE, FRAME_S = 16_000, 0.01
VERSION = 1
"""Bumped when alignments of the same sound and text change."""
PHONE = "phone-"
"""Prefix of the dictionary's words that consist of one phone each."""
Beams = tuple[tuple[str, float], ...]
WIDE: Beams = (("beam", 1e-80), ("pbeam", 1e-80), ("wbeam", 1e-60))
"""Wider beams for a second try, in case the first try prunes all paths of a clip."""
NO_WORD = ("<", "[", "(", "+")
"""First characters of the names of pauses and noises."""
LETTERS = {
    "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "ng": "NG", "ck": "K", "qu": "K W", "wh": "W", "ee": "IY",
    "oo": "UW", "ou": "AW", "ow": "OW", "ai": "EY", "ay": "EY", "ea": "IY", "oy": "OY", "oi": "OY", "au": "AO",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K",
    "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V",
    "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
"""Phones of letters, for words that the dictionary lacks; accurate enough to place a word between its neighbours."""
PIECES = re.compile("|".join(sorted(LETTERS, key=len, reverse=True)))


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower().replace("\u2019", "'"))


def guess(word: str) -> str:
    """A pronunciation from spelling alone."""
    return " ".join(LETTERS[piece] for piece in PIECES.findall(word)) or "AH"


@cache
def _decoder(beams: Beams) -> Any:
    from pocketsphinx import Decoder

    decoder = Decoder(lm=None, loglevel="FATAL", cmn="batch", **dict(beams))
    for phone in ARPABET:
        decoder.add_word(PHONE + phone.lower(), phone, phone == ARPABET[-1])
    return decoder


def align(audio: Audio, text: str) -> Alignment:
    """Phones and words of a transcript with their times. Raises AudioError if the text has no words or does not fit."""
    words = words_of(text)
    if not words:
        raise AudioError("the transcript has no words to align")
    samples = resample(audio.samples, audio.rate, RATE)
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    try:
        return _align(_decoder(()), pcm, words)
    except AudioError:
        return _align(_decoder(WIDE), pcm, words)


def _align(decoder: Any, pcm: bytes, words: list[str]) -> Alignment:
    guessed = _learn(decoder, words)
    spoken = _segments(decoder, pcm, words)
    if [word.name for _, word in spoken if _is_word(word)] != words:
        raise AudioError("the transcript does not fit the speech: its end was not reached")
    pronounced = [(word, decoder.lookup_word(name).split()) for name, word in spoken if _is_word(word)]
    placed = _segments(decoder, pcm, [PHONE + phone.lower() for _, phones in pronounced for phone in phones])
    intervals = iter([interval for _, interval in placed if _is_word(interval)])
    phones: list[Interval] = []
    for word, names in pronounced:
        parts = list(islice(intervals, len(names)))
        if len(parts) < len(names):  # the second pass ended early
            parts = _evenly(word, len(names))
        labels = ["spn"] * len(names) if word.name in guessed else names
        phones += [Interval(n, part.start, part.end) for n, part in zip(labels, parts, strict=True)]
    return Alignment(tuple(_in_order(phones)), tuple(word for word, _ in pronounced))


def _evenly(word: Interval, count: int) -> list[Interval]:
    """A word's time in equal parts."""
    edges = np.linspace(word.start, word.end, count + 1).tolist()
    return [Interval("", start, end) for start, end in pairwise(edges)]


def _in_order(phones: list[Interval]) -> list[Interval]:
    """Phones without overlaps: none starts before the previous one ends; phones that become empty are dropped."""
    ordered: list[Interval] = []
    for phone in phones:
        start = max(phone.start, ordered[-1].end if ordered else 0.0)
        if phone.end > start:
            ordered.append(Interval(phone.name, start, phone.end))
    return ordered


def _learn(decoder: Any, words: list[str]) -> set[str]:
    """Adds missing words to the dictionary; returns those of `words` whose pronunciations are guesses."""
    added = _added(decoder)
    for word in words:
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, guess(word), True)
            added.add(word)
    return added.intersection(words)


def _is_word(interval: Interval) -> bool:
    return not interval.name.startswith(NO_WORD)


@cache
def _added(decoder: Any) -> set[str]:
    """Words that this process has added to a decoder's dictionary, with guessed pronunciations."""
    return set()


def _segments(decoder: Any, pcm: bytes, words: list[str]) -> list[tuple[str, Interval]]:
    """(name with its variant, as in `the(2)`, and interval) of each word and pause. Raises AudioError."""
    decoder.set_align_text(" ".join(words))
    decoder.reinit_feat()  # otherwise the features depend on earlier clips
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        raise AudioError("the transcript does not fit the speech: no path through its phones")
    segments = []
    for segment in decoder.seg():
        if segment.word in ("(NULL)", "<s>"):  # steps of the grammar, not stretches of sound
            continue
        name = re.sub(r"\(\d+\)$", "", segment.word)
        interval = Interval(name, segment.start_frame * FRAME_S, (segment.end_frame + 1) * FRAME_S)
        segments.append((segment.word, interval))
    return segments
