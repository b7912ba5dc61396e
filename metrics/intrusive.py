"""Classical metrics that compare waveforms with the reference: PESQ (wide band), STOI, SI-SDR."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import FloatArray, Outcome

PESQ_RATE = 16_000
PESQ_LONGEST_S = 60.0
STOI_RATE = 10_000
STOI_FRAME = 256
TOO_SHORT = "less than 0.4 s of speech: too short for STOI"
SI_SDR_CAP_DB = 100.0


class Pesq:
    card = MetricCard(
        name="pesq",
        version=1,
        summary="PESQ, wide band (ITU-T P.862.2), MOS-LQO",
        source="ITU-T P.862.2 through the pesq package",
        packages=("pesq",),
        extra="compiled",
        cost=0.02,
        needs=frozenset({"reference"}),
        definition="mode=wb|resample=soxr-hq-16k",
        values=(
            Value(
                name="pesq", label="PESQ", unit="MOS-LQO", direction="higher", ideal=4.64, role="fidelity", margin=0.05
            ),
        ),
    )

    def prepare(self, subject: Subject) -> FloatArray:
        samples: FloatArray = subject.reference.at(PESQ_RATE)
        if len(samples) > PESQ_LONGEST_S * PESQ_RATE:
            raise ValueError(
                f"{len(samples) / PESQ_RATE:.0f} s are too long for PESQ, which is defined on sentences; "
                f"cut clips to at most {PESQ_LONGEST_S:.0f} s"
            )
        return samples

    def score(self, prepared: FloatArray, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        from pesq import BufferTooShortError, NoUtterancesError, pesq

        views = [clip.at(PESQ_RATE) for clip in estimates]
        if any(not np.any(view) for view in views):
            raise ValueError("digital silence: PESQ finds no utterance in it")
        try:
            return [{"pesq": Outcome(float(pesq(PESQ_RATE, prepared, view, "wb")))} for view in views]
        except (BufferTooShortError, NoUtterancesError) as error:
            raise ValueError("the clip is too short, or PESQ finds no speech in it") from error


class Stoi:
    card = MetricCard(
        name="stoi",
        version=1,
        summary="Short-time objective intelligibility (classic)",
        source="Taal et al. 2011, through pystoi",
        packages=("pystoi",),
        extra="metrics",
        cost=0.01,
        needs=frozenset({"reference"}),
        definition="extended=no|resample=soxr-hq-10k",
        values=(
            Value(
                name="stoi",
                label="STOI",
                unit="0..1",
                direction="higher",
                decimals=3,
                ideal=1.0,
                role="fidelity",
                margin=0.01,
            ),
        ),
    )

    def prepare(self, subject: Subject) -> FloatArray:
        samples: FloatArray = subject.reference.at(STOI_RATE)
        return samples

    def score(self, prepared: FloatArray, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{"stoi": Outcome(self._stoi(prepared, clip.at(STOI_RATE)))} for clip in estimates]

    def _stoi(self, reference: FloatArray, estimate: FloatArray) -> float:
        from pystoi import stoi

        if not np.any(reference) or not np.any(estimate):
            raise ValueError("digital silence: STOI is not defined on it")
        if len(reference) < STOI_FRAME:
            raise ValueError(TOO_SHORT)
        with warnings.catch_warnings():
            # With too few frames, pystoi warns and returns 1e-5, which is no measurement.
            warnings.simplefilter("error", RuntimeWarning)
            try:
                return float(stoi(reference, estimate, STOI_RATE, extended=False))
            except RuntimeWarning as warning:
                if "Not enough STFT frames" not in str(warning):
                    raise
                raise ValueError(TOO_SHORT) from warning


def si_sdr(reference: FloatArray, estimate: FloatArray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, mean removed, limited to ±100 dB.

    10 log10(|a r|² / |e - a r|²), a = <e, r> / |r|². Raises ValueError on a constant signal.
    Source: Le Roux et al., SDR: half-baked or well done?, 2019, equation 4.
    """
    r = reference.astype(np.float64) - reference.mean(dtype=np.float64)
    e = estimate.astype(np.float64) - estimate.mean(dtype=np.float64)
    if not np.any(r) or not np.any(e):
        raise ValueError("a constant signal (digital silence): SI-SDR is not defined on it")
    target = r * (np.dot(e, r) / np.dot(r, r))
    signal, noise = float(np.dot(target, target)), float(np.sum(np.square(e - target)))
    least = 10 ** (-SI_SDR_CAP_DB / 10)
    return 10 * float(np.log10(max(signal, least * noise) / max(noise, least * signal)))


class SiSdr:
    card = MetricCard(
        name="si_sdr",
        version=1,
        summary="Scale-invariant signal-to-distortion ratio",
        source="Le Roux et al. 2019, equation 4",
        needs=frozenset({"reference"}),
        definition="mean=removed|limit=100dB|rate=reference",
        invariant_to_gain=True,
        values=(
            Value(
                name="si_sdr",
                label="SI-SDR",
                unit="dB",
                direction="higher",
                decimals=1,
                ideal=SI_SDR_CAP_DB,
                role="fidelity",
                margin=0.3,
            ),
        ),
    )

    def prepare(self, subject: Subject) -> FloatArray:
        samples: FloatArray = subject.reference.audio.samples
        return samples

    def score(self, prepared: FloatArray, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{"si_sdr": Outcome(si_sdr(prepared, clip.audio.samples))} for clip in estimates]
