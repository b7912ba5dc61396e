"""Laws over every registered metric: ideal on itself, deterministic, batch = single, blind to the order of clips."""

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
TEXT = "These days a chicken leg is a rare dish."  # what slt_04 says


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


def judged(judge: Metric, reference: Audio, estimates: list[Audio]) -> list[dict[str, float | None]]:
    subject = Subject(reference=SharedClip(reference), text=TEXT)
    outcomes = score(judge, subject, [SharedClip(audio, seconds=0.5) for audio in estimates])
    assert not [o.why for row in outcomes for o in row.values() if o.why]
    return [{name: outcome.value for name, outcome in row.items()} for row in outcomes]


def test_the_card_is_whole(judge: Metric) -> None:
    card = judge.card
    assert isinstance(card, MetricCard)
    assert signature(card).startswith(f"{card.name}@{card.version}|")
    assert len({value.name for value in card.values}) == len(card.values)


def test_ideal_on_itself(judge: Metric, speech: Audio) -> None:
    [found] = judged(judge, speech, [speech])
    for value in judge.card.values:
        measured = found[value.name]
        assert measured is not None
        assert math.isfinite(measured)
        assert (value.ideal is not None) == ("reference" in judge.card.needs), "a card says what the reference scores"
        if value.ideal is not None:
            assert measured == pytest.approx(value.ideal, abs=5e-3)


def test_deterministic_and_batch_is_single_in_any_order(judge: Metric, speech: Audio) -> None:
    estimates = [noisy(speech, snr) for snr in (20.0, 5.0, -5.0)]
    together = judged(judge, speech, estimates)
    assert judged(judge, speech, estimates[::-1])[::-1] == together
    assert [judged(judge, speech, [one])[0] for one in estimates] == together


def test_noise_makes_it_worse(judge: Metric, speech: Audio) -> None:
    if "seconds" in judge.card.needs:
        pytest.skip("measures time, not sound")
    clean, bad = judged(judge, speech, [speech, noisy(speech, -5.0)])
    for value in judge.card.values:
        better, worse = clean[value.name], bad[value.name]
        assert better is not None
        assert worse is not None
        if value.name.startswith("per@hama."):  # one kind of errors alone
            assert better >= worse if value.direction == "higher" else better <= worse, value.name
        else:
            assert better > worse if value.direction == "higher" else better < worse, value.name


def test_gain_invariance_as_declared(judge: Metric, speech: Audio) -> None:
    if not judge.card.invariant_to_gain:
        pytest.skip("not declared")
    estimate = noisy(speech, 10.0)
    half = Audio(estimate.samples * np.float32(0.5), estimate.rate)
    loud, quiet = judged(judge, speech, [estimate, half])
    for name, value in loud.items():
        assert value == pytest.approx(quiet[name], abs=1e-3)


def test_inputs_are_not_changed(judge: Metric, speech: Audio) -> None:
    reference = Audio(speech.samples.copy(), speech.rate)
    estimate = noisy(speech, 10.0)
    kept = estimate.samples.copy()
    judged(judge, reference, [estimate])
    assert np.array_equal(estimate.samples, kept)
    assert np.array_equal(reference.samples, speech.samples)
