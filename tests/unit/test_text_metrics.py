"""Word errors, reductions and mappings: worked examples."""

import pandas as pd
import pytest

from restorebench.benchmark.analysis.paired_scores import paired
from restorebench.metrics.text import paper, seed_tts
from restorebench.metrics.wer import ErrorCount, Wer, count_errors
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
    for value in Wer.card.values:
        found = paired("c", value, rows, {("c", clip): "" for clip in "abcd"}, ("s",))
        results[value.name] = found.pooled(0)
    assert results == {"wer": pytest.approx(18.75), "wer@mean": pytest.approx(32.5)}


def test_counts_and_their_kinds() -> None:
    assert count_errors("a b c d", "a x c d e") == ErrorCount(1, 0, 1, 4)
    assert count_errors("a b c", "") == ErrorCount(0, 3, 0, 3)
    with pytest.raises(ValueError, match="no words"):
        count_errors("", "a")


def test_normalisers() -> None:
    assert seed_tts("Well-known, isn't it?") == "wellknown isn't it"
    assert paper("Well-known, isn’t it?") == "well known isn't it"
    assert paper("IT'S  EASY_") == "it's easy"


@pytest.mark.parametrize(("cosine", "mapped"), [(-1, 0), (0, 0.5), (0.5, 0.75), (1, 1)])
def test_wespeaker_mapping(cosine: float, mapped: float) -> None:
    assert wespeaker_mapped(cosine) == mapped
