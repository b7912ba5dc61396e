"""The gate finds planted regressions, passes results of other seeds, and refuses data that it cannot judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from restorebench.benchmark.analysis.paired_scores import PairedScores
from restorebench.benchmark.analysis.paired_tests import Sample
from restorebench.benchmark.analysis.resampling import Draws
from restorebench.benchmark.contracts import Value
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.gate.baseline import (
    Baseline,
    Clip,
    named_system,
    require_power,
    successor,
)
from restorebench.benchmark.gate.gate import GatedValue, _broken, clip_limit, judge
from tests.samples import simulated

TABLES = 200
DRAWS = Draws("test", draws=2000)


def passing(clips: int, **planted: float) -> float:
    """The share of simulated tables that pass the gate."""
    return float(np.mean([judge(*simulated(seed, clips, **planted), "new", DRAWS).passes for seed in range(TABLES)]))


def test_other_seeds_pass() -> None:
    assert passing(100) >= 0.95
    assert passing(1000) >= 0.95


def one_value(before: np.ndarray, now: np.ndarray, margin: float = 0.05) -> GatedValue:
    """The gate's judgement of a single value (higher is better) of a system without random sampling."""
    names = tuple(f"clip-{n}" for n in range(len(before)))
    value = Value(name="dnsmos.ovl", label="OVL", unit="MOS", direction="higher")
    sample = Sample(now[None], np.ones((1, len(now))), np.arange(len(now)))
    measured = PairedScores("c", value, ("new",), names, sample, "clip", 0, np.ones((1, len(now)), np.int64))
    clips: dict[str, Clip] = {name: (float(score), 1.0, 1) for name, score in zip(names, before, strict=True)}
    baseline = Baseline(
        suite="s", trials="t", system="new", reason="r", margins={"dnsmos.ovl": margin},
        signatures={"dnsmos.ovl": "s"}, clips={"c": {"dnsmos.ovl": clips}},
    )  # fmt: skip
    [judged] = judge([measured], baseline, "new", DRAWS).judged
    return judged


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("drop", ["noise", "the input"])
def test_collapsed_clips_fail_by_name(count: int, drop: str) -> None:
    """Of 24 clips, a few become noise (OVL 1.1) or a copy of their input (0.8 less); the others are bit-identical."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        before = rng.uniform(2.2, 3.4, 24)
        now, collapsed = before.copy(), rng.choice(24, count, replace=False)
        now[collapsed] = 1.1 if drop == "noise" else before[collapsed] - 0.8
        judged = one_value(before, now)
        assert judged.fails
        assert set(judged.broken) == {f"clip-{n}" for n in collapsed}
        assert judged.why.startswith("broken: clip-")


def test_a_collapsed_clip_is_found_among_clips_that_all_changed() -> None:
    """Another checkpoint moves every clip by 0.1; one of 60 collapses by 2.5 MOS."""
    rng = np.random.default_rng(0)
    before = rng.normal(3.2, 0.3, 60)
    now = before + rng.normal(0, 0.1, 60)
    assert not one_value(before, now).fails
    now[7] -= 2.5
    assert one_value(before, now).broken == ("clip-7",)


def test_how_much_worse_a_single_clip_may_become() -> None:
    rate = Value(name="wer@x@mean", label="WER", unit="%", direction="lower")
    assert clip_limit(rate, 0.5) == 50
    assert clip_limit(rate.model_copy(update={"unit": "MOS"}), 0.0) == 0, "a margin of 0 gives a limit of 0"
    assert clip_limit(rate.model_copy(update={"unit": "MOS"}), 0.05) == 0.5


@pytest.mark.parametrize(("changed", "words"), [(6, "too few to test"), (20, "the difference is not significant")])
def test_missing_significance_is_stated_only_where_significance_was_possible(changed: int, words: str) -> None:
    """With a correction over six values, a difference in six clips can never be significant."""
    judged = GatedValue("c", "v", 0.05, clips=24, worse=0.4, p=0.2, changed=changed, tested=6)
    assert words in judged.why


def test_a_clip_that_loses_all_its_words_is_broken() -> None:
    """One clip of 24 loses all its words; a single wrong word in a short clip does not count as broken."""
    increases = np.zeros(24)
    increases[3], increases[7] = 100.0, 33.0
    assert list(_broken(increases, 50.0)) == [3]


def test_a_difference_in_a_few_clips_is_called_too_few_to_test() -> None:
    before = np.full(24, 3.0)
    now = before.copy()
    now[:3] -= 0.45
    judged = one_value(before, now)
    assert not judged.fails
    assert judged.why == "worse by 0.0562, but only 3 of 24 clips changed: too few to test"


def test_a_tenth_of_a_mos_is_found_with_a_hundred_clips() -> None:
    """The size that the README recommends for quality."""
    assert passing(100, quality=0.1) <= 0.05


def test_one_percent_of_wer_is_found_with_a_thousand_clips() -> None:
    """The size that the README recommends for word error rates."""
    assert passing(1000, wer=1.0) <= 0.05


def test_significant_differences_within_the_margin_pass() -> None:
    """On many clips, a difference below the margin is significant."""
    measured, baseline = simulated(0, 4000, quality=0.03)
    verdict = judge(measured, baseline, "new")
    assert verdict.passes
    assert "significantly worse, but within the margin" in {value.why for value in verdict.judged}


def test_a_value_that_is_lost_fails() -> None:
    measured, baseline = simulated(0, 30)
    measured[0].sample.numerator[0, 3] = np.nan
    [failed] = [value for value in judge(measured, baseline, "new").judged if value.fails]
    assert failed.why == "fewer values than the baseline for 3"
    assert failed.clips == 29


def test_a_seed_that_is_lost_fails() -> None:
    """A generative system that crashes on one of its seeds is worse than it was."""
    measured, baseline = simulated(0, 30)
    baseline.clips["c"]["wer@pocketsphinx"]["5"] = (*baseline.clips["c"]["wer@pocketsphinx"]["5"][:2], 3)
    [failed] = [value for value in judge(measured, baseline, "new").judged if value.fails]
    assert (failed.value, failed.lost) == ("wer@pocketsphinx", ("5",))


def test_a_value_that_is_lost_everywhere_fails_with_its_reason() -> None:
    measured, baseline = simulated(0, 30)
    reasons = {("c", "dnsmos.sig", str(clip)): "the model said NaN" for clip in range(30)}
    [failed] = [value for value in judge(measured[1:], baseline, "new", whys=reasons).judged if value.fails]
    assert failed.why == "fewer values than the baseline for 0, 1, 2 and 27 more: the model said NaN"


def test_speakers_do_not_weaken_a_gate() -> None:
    """With eight speakers, sign flips of whole speakers could find almost nothing after the correction over values."""
    passes = []
    for seed in range(50):
        measured, baseline = simulated(seed, 1000, wer=1.0)
        voices = [
            replace(scores, sample=replace(scores.sample, cluster=np.arange(1000) % 8), grouped="speaker")
            for scores in measured
        ]
        passes.append(judge(voices, baseline, "new", DRAWS).passes)
    assert np.mean(passes) <= 0.05


def test_the_system_that_is_judged_is_the_one_that_was_named() -> None:
    stored = ("net@old.ckpt", "net@new.ckpt", "other")
    assert named_system(stored, "net@new.ckpt") == "net@new.ckpt"
    assert named_system(["net@new.ckpt", "other"], "net") == "net@new.ckpt"
    assert successor(["net@new.ckpt", "other"], "net@old.ckpt") == "net@new.ckpt"
    for known, wanted in ((stored, "net"), (["net@old.ckpt"], "net@new.ckpt"), (stored, "nothing")):
        with pytest.raises(RequestError, match="name one of them with --system"):
            named_system(known, wanted)
    with pytest.raises(RequestError, match=r"the store has net@old\.ckpt, net@new\.ckpt, other, the baseline is"):
        successor(stored, "net@old.ckpt")


def test_too_few_clips_cannot_be_judged() -> None:
    """A gate that could never fail must not pass."""
    measured, baseline = simulated(0, 6, quality=3.0)
    with pytest.raises(
        RequestError,
        match=r"cannot judge: 6 clips are too few for a significant regression among 5 values; wanted 7 or more",
    ):
        judge(measured, baseline, "new")
    assert not judge(*simulated(0, 7, quality=3.0), "new").passes


def test_too_many_values_cannot_be_judged() -> None:
    """Drawn sign patterns cannot give a p so small that it survives the correction."""
    require_power([30] * 1000)
    with pytest.raises(RequestError, match="1001 values are too many for Holm's correction"):
        require_power([30] * 1001)
