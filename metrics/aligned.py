"""Intrusive metrics of the estimate with its delay removed: `si_sdr@aligned`, `stoi@aligned`, `lsd@aligned`.

The metrics without `@aligned` score the estimate as delivered: a delay of 1 ms lowers SI-SDR from 9.2 to -6.0 dB, a
delay of 24 ms lowers STOI from 0.946 to 0.596. The aligned metrics ignore a constant delay. PESQ aligns by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from restorebench.benchmark.audio import fit
from restorebench.benchmark.contracts import Clip, Metric, MetricCard, Subject
from restorebench.benchmark.run.alignment import align
from restorebench.benchmark.run.clip import SharedClip
from restorebench.benchmark.types import Audio, Outcome
from restorebench.metrics.intrusive import SiSdr, Stoi
from restorebench.metrics.lsd import Lsd

SUFFIX = "@aligned"


def card_of(card: MetricCard) -> MetricCard:
    """The card of the aligned version of a metric, made from the metric's own card."""
    values = tuple(
        value.model_copy(update={"name": value.name + SUFFIX, "label": f"{value.label} aligned", "headline": False})
        for value in card.values
    )
    return card.model_copy(
        update={
            "name": card.name + SUFFIX,
            "summary": f"{card.summary}, of the estimate without its delay",
            "definition": f"{card.definition}|delay=removed:gcc-phat,correlation>=0.5",
            "values": values,
            "cost": card.cost + 0.005,
        }
    )


class Aligned:
    """Scores estimates with the metric `inner` after removing their delay against the reference."""

    inner: Metric
    card: MetricCard

    def prepare(self, subject: Subject) -> Any:
        assert subject.reference is not None
        return subject.reference, self.inner.prepare(subject)

    def score(self, prepared: Any, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        reference, inner = prepared
        moved = [shifted(clip, reference) for clip in estimates]
        return [
            {name + SUFFIX: outcome for name, outcome in outcomes.items()}
            for outcomes in self.inner.score(inner, moved)
        ]


def shifted(clip: Clip, reference: Clip) -> SharedClip:
    """The clip without its delay against the reference, at its own length; the missing end is padded with zeros.

    A clip whose waveform does not correlate with the reference's (absolute correlation below 0.5) is not shifted.
    """
    samples, rate = clip.audio.samples, clip.audio.rate
    if not np.any(samples) or not np.any(reference.audio.samples):
        return SharedClip(clip.audio, clip.seconds)
    alignment = align(samples, reference.audio.samples, rate)
    delay = round(alignment.delay_s * rate) if alignment.exact else 0
    moved = samples[delay:] if delay >= 0 else np.pad(samples, (-delay, 0))
    return SharedClip(Audio(fit(moved, len(samples)), rate), clip.seconds)


class SiSdrAligned(Aligned):
    inner, card = SiSdr(), card_of(SiSdr.card)


class StoiAligned(Aligned):
    inner, card = Stoi(), card_of(Stoi.card)


class LsdAligned(Aligned):
    inner, card = Lsd(), card_of(Lsd.card)
