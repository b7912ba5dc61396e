"""Word errors, reductions and mappings: worked examples."""

import pandas as pd
import pytest

from restorebench.benchmark.analysis.paired_scores import paired
from restorebench.benchmark.errors import RequestError
from restorebench.metrics.asr_wer import pocketsphinx
from restorebench.metrics.text import paper, seed_tts, whisper_en, zh_numbers
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
        found = paired("c", value, rows, {("c", clip): "" for clip in "abcd"}, ("s",))
        results[value.name] = found.pooled(0)
    assert results == {"wer@pocketsphinx": pytest.approx(18.75), "wer@pocketsphinx@mean": pytest.approx(32.5)}


def test_counts_and_their_kinds() -> None:
    assert count_errors("a b c d", "a x c d e") == ErrorCount(1, 0, 1, 4)
    assert count_errors("a b c", "") == ErrorCount(0, 3, 0, 3)
    with pytest.raises(ValueError, match="no words"):
        count_errors("", "a")


def test_normalisers() -> None:
    assert seed_tts("Well-known, isn't it?") == "wellknown isn't it"
    assert paper("Well-known, isn’t it?") == "well known isn't it"
    assert paper("IT'S  EASY_") == "it's easy"
    assert whisper_en("Mr. Brown paid twenty one pounds") == "mister brown paid £21"
    assert zh_numbers("我有12個蘋果，3.5元。") == "我 有 十 二 个 苹 果 三 点 五 元"


def test_a_loop_is_told_from_speech() -> None:
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
    with pytest.raises(RequestError, match="PocketSphinx en-us brings its own model; leave the file out"):
        pocketsphinx("other.bin")
