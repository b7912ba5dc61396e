"""The built-in aligner: PocketSphinx places the phones of a known transcript in time. English, nothing to download.

Two passes of the same forced alignment: words first, which also chooses between a word's pronunciations, then the
chosen phones, each as a word of its own. (PocketSphinx's own second pass, over states, fails on one clip in five.)
Words that its dictionary lacks are aligned by a pronunciation guessed from their letters, and their frames count as
unknown.
"""

from __future__ import annotations

import re
from functools import cache
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
"""Before the name of a phone, in the dictionary: it is a word of one phone."""
NO_WORD = ("<", "[", "(", "+")
"""How the names of pauses and noises begin."""
LETTERS = {
    "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "ng": "NG", "ck": "K", "qu": "K W", "wh": "W", "ee": "IY",
    "oo": "UW", "ou": "AW", "ow": "OW", "ai": "EY", "ay": "EY", "ea": "IY", "oy": "OY", "oi": "OY", "au": "AO",
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K",
    "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V",
    "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
"""How letters are read in a word that the dictionary lacks: good enough to place it between its neighbours."""
PIECES = re.compile("|".join(sorted(LETTERS, key=len, reverse=True)))


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower().replace("\u2019", "'"))


def guess(word: str) -> str:
    """A pronunciation from spelling alone."""
    return " ".join(LETTERS[piece] for piece in PIECES.findall(word)) or "AH"


@cache
def _decoder() -> Any:
    from pocketsphinx import Decoder

    decoder = Decoder(lm=None, loglevel="FATAL", cmn="batch")
    for phone in ARPABET:
        decoder.add_word(PHONE + phone.lower(), phone, phone == ARPABET[-1])
    return decoder


def align(audio: Audio, text: str) -> Alignment:
    """Phones and words of a transcript in time. Raises AudioError when the text has no words or does not fit."""
    decoder, words = _decoder(), words_of(text)
    if not words:
        raise AudioError("the transcript has no words to align")
    guessed = set()
    for word in words:
        pronunciation = decoder.lookup_word(word)
        if pronunciation is None:
            decoder.add_word(word, guess(word), True)
        if pronunciation is None or word in _added():
            guessed.add(word)
            _added().add(word)
    samples = resample(audio.samples, audio.rate, RATE)
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    spoken = _segments(decoder, pcm, words)
    heard = [(name, word) for name, word in spoken if not word.name.startswith(NO_WORD)]
    said = [(word, decoder.lookup_word(name).split()) for name, word in heard]
    in_order = [(phone, word.name in guessed) for word, phones in said for phone in phones]
    placed = _segments(decoder, pcm, [PHONE + phone.lower() for phone, _ in in_order])
    phones, known = [], iter(in_order)
    for _, interval in placed:
        name, is_guess = ("SIL", False) if interval.name.startswith(NO_WORD) else next(known)
        phones.append(Interval("spn" if is_guess else name, interval.start, interval.end))
    return Alignment(tuple(phones), tuple(word for word, _ in said))


@cache
def _added() -> set[str]:
    """Words that this process gave the dictionary: their pronunciations stay guesses."""
    return set()


def _segments(decoder: Any, pcm: bytes, words: list[str]) -> list[tuple[str, Interval]]:
    """(name with its variant, as in `the(2)`, and interval) of each word and pause. Raises AudioError."""
    decoder.set_align_text(" ".join(words))
    decoder.reinit_feat()  # without it the features remember earlier clips
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        raise AudioError("the transcript does not fit the speech: no path through its phones")
    found = []
    for segment in decoder.seg():
        if segment.word == "(NULL)":  # a step of the grammar, not a stretch of sound
            continue
        name = re.sub(r"\(\d+\)$", "", segment.word)
        interval = Interval(name, segment.start_frame * FRAME_S, (segment.end_frame + 1) * FRAME_S)
        found.append((segment.word, interval))
    return found
