"""Speaker similarity by Resemblyzer's bundled encoder: cosine of the speaker embeddings of reference and estimate.

A stand-in that needs no download; the papers use WeSpeaker and WavLM, whose numbers are on other scales.
Source: resemble-ai/Resemblyzer (GE2E, Wan et al. 2018): sounds below -30 dBFS are amplified to -30 dBFS, long silences
are removed, and the embeddings of overlapping 1.6 s windows are averaged. Louder sounds are not attenuated, so the
similarity of a sound to itself depends on the level (0.920 if one copy has half the amplitude, 0.810 if it has four
times the amplitude). `spk_sim@resemblyzer@level` scales both sounds to -30 dBFS first.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import FloatArray, Outcome
from restorebench.metrics.mel import mel_energies

RATE, SIZE, HOP, BANDS = 16_000, 400, 160, 40
PIECE = 64
"""Windows per network call: bounds memory on long clips."""
LEVEL_DBFS = -30.0
"""RMS level to which Resemblyzer amplifies quieter sounds."""


@cache
def encoder() -> Any:
    """The voice encoder, loaded once per process."""
    return library().VoiceEncoder("cpu", verbose=False)


@cache
def library() -> Any:
    """resemblyzer, without the warnings of its dependencies."""
    with quiet():
        import resemblyzer.audio
    return resemblyzer


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses warnings about pkg_resources in webrtcvad, and about SciPy's old module names in resemblyzer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated|Deprecated call to `pkg_resources")
        warnings.filterwarnings("ignore", message="Please import `binary_dilation`", category=DeprecationWarning)
        yield


def embedding(clip: Clip) -> FloatArray:
    """Unit-length voice embedding [256]. Raises ValueError when the clip has no speech."""
    return clip.once("resemblyzer embedding", lambda: embed(clip.at(RATE)))


def embed(samples: FloatArray) -> FloatArray:
    """Unit-length voice embedding [256] of 16 kHz speech."""
    import torch

    resemblyzer = library()
    if not np.any(samples):
        raise ValueError("digital silence has no speaker embedding")
    with quiet():
        voiced = resemblyzer.preprocess_wav(samples)
    if len(voiced) == 0:
        raise ValueError("nothing is left after Resemblyzer has removed silence: no voice found")
    network = encoder()
    wav_slices, mel_slices = network.compute_partial_slices(len(voiced), rate=1.3, min_coverage=0.75)
    padded = np.pad(voiced, (0, max(0, wav_slices[-1].stop - len(voiced))))
    mel = mel_energies(padded, RATE, SIZE, HOP, BANDS, np.hanning(SIZE + 1)[:-1], centred=True).T
    partials = []
    with torch.no_grad():
        for start in range(0, len(mel_slices), PIECE):
            batch = np.stack([mel[s] for s in mel_slices[start : start + PIECE]])
            partials.append(network(torch.from_numpy(batch)).numpy())
    mean = np.concatenate(partials).mean(axis=0)
    unit: FloatArray = mean / np.linalg.norm(mean)
    return unit


def at_level(samples: FloatArray) -> FloatArray:
    """The samples scaled to an RMS level of `LEVEL_DBFS`; digital silence is not changed."""
    power = float(np.mean(samples.astype(np.float64) ** 2))
    return samples if power == 0 else (samples * np.float32(10 ** (LEVEL_DBFS / 20) / power**0.5)).astype(np.float32)


class ResemblyzerSimilarity:
    card = MetricCard(
        name="spk_sim@resemblyzer",
        version=1,
        summary="Speaker similarity (cosine) by Resemblyzer's encoder",
        source="resemble-ai/Resemblyzer; GE2E (Wan et al. 2018)",
        licence="Apache-2.0",
        packages=("resemblyzer",),
        extra="compiled",
        cost=0.05,
        needs=frozenset({"reference"}),
        definition="encoder=bundled-ge2e|cosine=raw|resample=soxr-hq-16k",
        values=(
            Value(
                name="spk_sim@resemblyzer",
                label="Spk sim GE2E",
                unit="cos",
                direction="higher",
                decimals=3,
                ideal=1.0,
                role="voice",
                headline=True,
                stand_in=True,
                margin=0.01,
                limit=0.65,
            ),
        ),
    )

    def prepare(self, subject: Subject) -> FloatArray:
        return embedding(subject.reference)

    def score(self, prepared: FloatArray, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        name = self.card.values[0].name
        return [{name: Outcome(float(np.dot(prepared, embedding(clip))))} for clip in estimates]


class ResemblyzerAtLevel:
    card = ResemblyzerSimilarity.card.model_copy(
        update={
            "name": "spk_sim@resemblyzer@level",
            "summary": "Speaker similarity (cosine) by Resemblyzer's encoder, both sounds at -30 dBFS",
            "definition": f"{ResemblyzerSimilarity.card.definition}|level=-30dBFS-rms",
            "invariant_to_gain": True,
            "values": (
                ResemblyzerSimilarity.card.values[0].model_copy(
                    update={"name": "spk_sim@resemblyzer@level", "label": "Spk sim GE2E level", "headline": False}
                ),
            ),
        }
    )

    def prepare(self, subject: Subject) -> FloatArray:
        assert subject.reference is not None
        return _embedding_at_level(subject.reference)

    def score(self, prepared: FloatArray, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        name = self.card.name
        return [{name: Outcome(float(np.dot(prepared, _embedding_at_level(clip))))} for clip in estimates]


def _embedding_at_level(clip: Clip) -> FloatArray:
    return clip.once("resemblyzer embedding at level", lambda: embed(at_level(clip.at(RATE))))
