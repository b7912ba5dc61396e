"""Worked examples of word errors, text normalisers, reductions and mappings."""

import json
import sys
import unicodedata

import pandas as pd
import pytest

from restorebench.benchmark.analysis.paired_scores import paired
from restorebench.benchmark.errors import RequestError
from restorebench.metrics.asr_wer import RecogniserWer, pocketsphinx, seed_tts_en
from restorebench.metrics.asr_wer import seed_tts_zh as seed_tts_zh_protocol
from restorebench.metrics.text import APOSTROPHES, QUOTES, paper, seed_tts, seed_tts_zh, whisper_en, zh_numbers
from restorebench.metrics.wer import ErrorCount, count_errors, repeats_itself
from restorebench.metrics.wespeaker import mapped as wespeaker_mapped


def test_two_reductions_of_the_same_counts() -> None:
    counts = [(0, 4), (1, 5), (3, 3), (2, 20)]
    rows = pd.DataFrame(
        {
            "utterance": list("abcd"),
            "system": "s",
            "value": [100 * e / w for e, w in counts],
            "components": [f'{{"errors": {e}, "total": {w}}}' for e, w in counts],
        }
    )
    results = {}
    for value in pocketsphinx.card.values:
        scores = paired("c", value, rows, {("c", clip): "" for clip in "abcd"}, ("s",))
        results[value.name] = scores.pooled(0)
    assert results == {"wer@pocketsphinx": pytest.approx(18.75), "wer@pocketsphinx@mean": pytest.approx(32.5)}


def test_the_conventions_of_seed_tts_eval() -> None:
    """Worked by hand: punctuation is deleted, utterances have equal weights, and Chinese counts characters.

    A fourth sentence has no speech. seed-tts-eval skips it silently; this suite reports that three of four values
    are known.
    """
    sentences = {
        "a": ("Well-known, isn't it?", "well known isn't it"),  # wellknown -> well, known: 2 errors of 3
        "b": ("Stop!", "stop stop"),  # 1 of 1
        "c": ("He ran, she did not.", "He ran; she did not"),  # 0 of 5
    }
    english = RecogniserWer(seed_tts_en)
    outcomes = {clip: english._outcome(seed_tts(text), heard) for clip, (text, heard) in sentences.items()}
    rows = pd.DataFrame(
        [
            {"utterance": clip, "system": "s", "value": outcome.value, "components": json.dumps(outcome.components)}
            for clip, values in outcomes.items()
            for name, outcome in values.items()
            if name == "wer@seed-tts-en@mean"
        ]
        + [{"utterance": "d", "system": "s", "value": None, "components": "{}"}]
    )
    by_clip = paired("c", seed_tts_en.card.values[1], rows, {("c", clip): "" for clip in "abcd"}, ("s",))
    assert by_clip.pooled(0) == pytest.approx(100 * (2 / 3 + 1 + 0) / 3)
    assert (by_clip.known("s"), len(by_clip.clips)) == (3, 4)
    chinese = RecogniserWer(seed_tts_zh_protocol)
    chinese_outcomes = chinese._outcome(seed_tts_zh("你好，世界。"), "你好 世间")
    assert chinese_outcomes["cer@seed-tts-zh"].value == pytest.approx(25.0)


def test_errors_are_counted_by_kind() -> None:
    assert count_errors("a b c d", "a x c d e") == ErrorCount(1, 0, 1, 4)
    assert count_errors("a b c", "") == ErrorCount(0, 3, 0, 3)
    with pytest.raises(ValueError, match="no words"):
        count_errors("", "a")


def test_normalisers_give_the_expected_texts() -> None:
    assert seed_tts("Well-known, isn't it?") == "wellknown isn't it"
    assert paper("Well-known, isn’t it?") == "well known isn't it"
    assert paper("IT'S  EASY_") == "it's easy"
    assert whisper_en("Mr. Brown paid twenty one pounds") == "mister brown paid £21"
    assert zh_numbers("我有12個蘋果，3.5元。") == "我 有 十 二 个 苹 果 三 点 五 元"


RULES = {"paper": paper, "whisper_en": whisper_en, "seed_tts": seed_tts}
SILENT = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in ("Cf", "Pi", "Pf", "Zs", "Zl", "Zp") or chr(code) in APOSTROPHES + QUOTES
]
"""Every invisible character, space and quotation mark of Unicode, and every character typed as an apostrophe."""


@pytest.mark.parametrize("rule", RULES)
def test_characters_that_are_not_spoken_are_no_errors(rule: str) -> None:
    normalise = RULES[rule]
    wanted = normalise("he isn't there, he said")
    for character in SILENT:
        text = f"he isn't {character}there{character}, he said"
        assert count_errors(wanted, normalise(text)).errors == 0, f"U+{ord(character):04X}"
    for character in APOSTROPHES:
        assert normalise(f"he isn{character}t there, he said") == wanted, f"U+{ord(character):04X}"
    assert normalise("\ufeff" + "he isn't there, he\u00a0said\u200b") == wanted


def test_punctuation_keeps_the_typed_word_boundaries() -> None:
    """seed-tts-eval deletes punctuation; a space before a deleted mark stays."""
    assert seed_tts("the .NET framework costs .5, he said") == "the net framework costs 5 he said"
    assert seed_tts("one ,two") == "one two"
    assert paper("\u201chello\u201d,\u2018he\u2019 said\u201cwhat\u201d") == "hello he said what"


def test_composed_and_decomposed_letters_are_equal() -> None:
    for normalise in RULES.values():
        assert normalise("caf\u00e9") == normalise("cafe\u0301")


def test_mandarin_marks_that_are_not_spoken_are_no_errors() -> None:
    heard = seed_tts_zh("\u300c你好\u300d\u3000\u201c世界\u201d\u200b。")
    assert count_errors(seed_tts_zh("你好世界"), heard).errors == 0


def test_a_repetition_loop_is_distinguished_from_speech() -> None:
    assert repeats_itself("I'm going to go to the next one. " * 6)
    assert not repeats_itself("he said he said he said")
    sentences = (
        "Rice is often served in round bowls. The juice of lemons makes fine punch. The box was thrown beside it."
    )
    assert not repeats_itself(sentences)


@pytest.mark.parametrize(("cosine", "mapped"), [(-1, 0), (0, 0.5), (0.5, 0.75), (1, 1)])
def test_wespeaker_mapping(cosine: float, mapped: float) -> None:
    assert wespeaker_mapped(cosine) == mapped


def test_a_recogniser_that_brings_its_model_takes_no_file() -> None:
    with pytest.raises(RequestError, match="PocketSphinx en-us has a bundled model; leave the file out"):
        pocketsphinx("other.bin")
