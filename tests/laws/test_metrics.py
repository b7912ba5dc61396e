"""Laws of every metric: the reference scores the ideal; scores are repeatable, and equal in every batch and order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from restorebench.benchmark import registry
from restorebench.benchmark.components import metric_card, why_not
from restorebench.benchmark.contracts import Metric, MetricCard, Subject
from restorebench.benchmark.plan.keys import signature
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.run.scoring import metric, score
from restorebench.benchmark.types import Audio

NAMES = list(registry.targets_by_name("metrics"))
TEXT = "These days a chicken leg is a rare dish."  # the text of slt_04


@pytest.fixture(params=NAMES)
def judge(request: pytest.FixtureRequest) -> Metric:
    if why := why_not("metrics", request.param):
        pytest.skip(why)
    if "|language=zh" in metric_card(request.param).definition:
        pytest.skip("no Mandarin speech is bundled")
    return metric(request.param)


def noisy(clip: Audio, snr_db: float) -> Audio:
    noise = np.random.default_rng(1).standard_normal(len(clip.samples))
    gain = np.sqrt(np.mean(clip.samples**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return Audio((clip.samples + gain * noise).astype(np.float32), clip.rate)


def values_of(judge: Metric, reference: Audio, estimates: list[Audio]) -> list[dict[str, float | None]]:
    subject = Subject(reference=SharedClip(reference), text=TEXT)
    outcomes = score(judge, subject, [SharedClip(audio, seconds=0.5) for audio in estimates])
    assert not [o.why for row in outcomes for o in row.values() if o.why]
    return [{name: outcome.value for name, outcome in row.items()} for row in outcomes]


def test_the_card_is_complete(judge: Metric) -> None:
    card = judge.card
    assert isinstance(card, MetricCard)
    assert signature(card).startswith(f"{card.name}@{card.version}|")
    assert len({value.name for value in card.values}) == len(card.values)


def test_the_reference_scores_the_ideal(judge: Metric, speech: Audio) -> None:
    [values] = values_of(judge, speech, [speech])
    for value in judge.card.values:
        measured = values[value.name]
        assert measured is not None
        assert math.isfinite(measured)
        assert (value.ideal is not None) == ("reference" in judge.card.needs), (
            "only metrics that need a reference declare an ideal"
        )
        if value.ideal is not None:
            assert measured == pytest.approx(value.ideal, abs=5e-3)


def test_scores_are_repeatable_and_equal_in_a_batch_alone_and_in_any_order(judge: Metric, speech: Audio) -> None:
    estimates = [noisy(speech, snr) for snr in (20.0, 5.0, -5.0)]
    together = values_of(judge, speech, estimates)
    assert values_of(judge, speech, estimates[::-1])[::-1] == together
    assert [values_of(judge, speech, [estimate])[0] for estimate in estimates] == together


def test_noise_makes_every_value_worse(judge: Metric, speech: Audio) -> None:
    if "seconds" in judge.card.needs:
        pytest.skip("measures time, not sound")
    clean, bad = values_of(judge, speech, [speech, noisy(speech, -5.0)])
    for value in judge.card.values:
        better, worse = clean[value.name], bad[value.name]
        assert better is not None
        assert worse is not None
        if value.name.startswith("per@hama."):  # the rate of one kind of error, which noise need not raise
            assert better >= worse if value.direction == "higher" else better <= worse, value.name
        else:
            assert better > worse if value.direction == "higher" else better < worse, value.name


def test_gain_changes_no_score_that_is_declared_invariant(judge: Metric, speech: Audio) -> None:
    if not judge.card.invariant_to_gain:
        pytest.skip("the card declares no invariance to gain")
    estimate = noisy(speech, 10.0)
    attenuated = Audio(estimate.samples * np.float32(0.5), estimate.rate)
    loud, quiet = values_of(judge, speech, [estimate, attenuated])
    for name, value in loud.items():
        assert value == pytest.approx(quiet[name], abs=1e-3)


def test_inputs_are_not_changed(judge: Metric, speech: Audio) -> None:
    reference = Audio(speech.samples.copy(), speech.rate)
    estimate = noisy(speech, 10.0)
    original = estimate.samples.copy()
    values_of(judge, reference, [estimate])
    assert np.array_equal(estimate.samples, original)
    assert np.array_equal(reference.samples, speech.samples)
