"""DNSMOS P.835 (SIG, BAK, OVL) and P.808: the DNS Challenge's reference-free quality estimates.

The models are the ONNX files inside the speechmos package, pinned by hash. The published script scores windows of
9.01 s with a hop of 1 s, repeats clips that are shorter, and runs the whole network on each window. Four convolutions
take 97 % of the time. Neighbouring windows share most of their spectrogram, so here the convolutions run once over the
signal; only the four frames at each end of a window, which depend on its zero padding, are computed per window. The
frames of a repeated short clip have a period, the least common multiple of the clip's length and two frame hops; they
are computed for one period if the signal is longer. The results equal those of the published script up to float
rounding (tests/oracles).

Source: github.com/microsoft/DNS-Challenge @591184a DNSMOS/dnsmos_local.py
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.types import FloatArray, Outcome
from restorebench.metrics.mel import filters
from restorebench.metrics.onnx_graph import cut
from restorebench.metrics.onnx_session import session

RATE = 16_000
WINDOW = 144_160
SECONDS = 9.01
HOP = 16_000
P835_SHA256 = "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd"
P808_SHA256 = "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91"

FIT_OVL = (-0.06766283, 1.11546468, 0.04602535)
FIT_SIG = (-0.08397278, 1.22083953, 0.0052439)
FIT_BAK = (-0.13166888, 1.60915514, -0.39604546)
"""Coefficients of the published script's polynomials from network outputs to scores, the highest power first."""

FRAMES, FRAME, FRAME_HOP = 900, 320, 160
EDGE = 8
"""Frames recomputed at each end of a window: 4 that depend on its zero padding, and 4 as their context."""
BLOCK = 400
"""Frames of the shared spectrogram per network call: bounds memory on long clips."""
CONTEXT = 4
"""Frames on either side of a frame on which its features depend."""


def official_starts(samples: int) -> list[int]:
    """Indices of the first samples of the windows that the published script scores, with its rounding error.

    `int((i + 9.01) * 16000)` is one sample too small for i = 7..23, and the script skips windows that are too short.
    """
    hops = int(math.floor(samples / RATE) - SECONDS) + 1
    return [i * HOP for i in range(hops) if min(int((i + SECONDS) * HOP), samples) - i * HOP >= WINDOW]


def full_starts(samples: int) -> list[int]:
    """Indices of the first samples of all complete windows, at a hop of 1 s."""
    return list(range(0, samples - WINDOW + 1, HOP))


def repeated(samples: FloatArray) -> FloatArray:
    """The clip appended to itself, doubling each time, until it fills a window."""
    while len(samples) < WINDOW:
        samples = np.concatenate([samples, samples])
    return samples


class Dnsmos:
    """DNSMOS over the published script's windows. Estimates are resampled to 16 kHz once and clipped to ±1."""

    starts = staticmethod(official_starts)
    card = MetricCard(
        name="dnsmos",
        version=1,
        summary="DNSMOS P.835 signal, background and overall quality, and P.808, without a reference",
        source="Reddy et al., ICASSP 2021/2022; DNS-Challenge @591184a dnsmos_local.py",
        licence="MIT (models in speechmos)",
        packages=("librosa", "onnxruntime", "speechmos"),
        extra="metrics",
        cost=0.25,
        needs=frozenset(),
        definition=f"windowing=official|p835={P835_SHA256[:12]}|p808={P808_SHA256[:12]}|resample=soxr-hq-16k|clip=1",
        values=(
            Value(name="dnsmos.sig", label="SIG", unit="MOS", direction="higher", role="quality", margin=0.05),
            Value(name="dnsmos.bak", label="BAK", unit="MOS", direction="higher", role="quality", margin=0.05),
            Value(
                name="dnsmos.ovl",
                label="OVL",
                unit="MOS",
                direction="higher",
                role="quality",
                headline=True,
                margin=0.05,
            ),
            Value(name="dnsmos.p808", label="P.808", unit="MOS", direction="higher", role="quality", margin=0.05),
        ),
    )

    def prepare(self, subject: Subject) -> None:
        return None

    def score(self, prepared: Any, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [self._score(clip) for clip in estimates]

    def _score(self, clip: Clip) -> Mapping[str, Outcome]:
        samples = np.clip(clip.at(RATE), -1.0, 1.0)
        signal = repeated(samples)
        starts = self.starts(len(signal))
        raw, p808 = models().p835(signal, starts, len(samples)), models().p808(signal, starts)
        scores = (np.polyval(FIT_SIG, raw[:, 0]), np.polyval(FIT_BAK, raw[:, 1]), np.polyval(FIT_OVL, raw[:, 2]), p808)
        components = {"windows": float(len(starts))}
        return {
            value.name: Outcome(float(np.mean(windows)), components)
            for value, windows in zip(self.card.values, scores, strict=True)
        }


class DnsmosFull(Dnsmos):
    """DNSMOS over all complete windows, including those at 7..23 s, which the published script skips by rounding."""

    starts = staticmethod(full_starts)
    card = Dnsmos.card.model_copy(
        update={
            "name": "dnsmos@full",
            "summary": "DNSMOS over every whole window (the published script skips those that start at 7..23 s)",
            "definition": Dnsmos.card.definition.replace("windowing=official", "windowing=full"),
            "values": tuple(
                v.model_copy(update={"name": v.name.replace("dnsmos", "dnsmos@full"), "label": f"{v.label} (full)"})
                for v in Dnsmos.card.values
            ),
        }
    )


class Models:
    """Both networks. P.835 is cut into a trunk, whose features windows share, and a head that scores one window."""

    FRAMED = "mos_estimator_logpow/concat:0"
    POOLED = "mos_estimator_logpow/conv2d_3/Relu:0_pooling0"
    SCORES = "Identity:0"

    def __init__(self) -> None:
        p835 = _pinned("sig_bak_ovr.onnx", P835_SHA256)
        self._trunk = session(cut(p835, self.FRAMED, ("batch", "frames", FRAME), self.POOLED))
        self._head = session(cut(p835, self.POOLED, ("batch", 32, FRAMES // 2, 80), self.SCORES))
        self._p808 = session(_pinned("model_v8.onnx", P808_SHA256))

    def p835(self, signal: FloatArray, starts: Sequence[int], period: int | None = None) -> FloatArray:
        """Raw SIG, BAK, OVL [window, 3] of the windows at `starts` (multiples of the frame hop).

        period: number of samples after which the signal repeats; None for a signal without a period.
        """
        frames = np.lib.stride_tricks.sliding_window_view(signal, FRAME)[::FRAME_HOP]
        first = [start // FRAME_HOP for start in starts]
        needed = max(first) + FRAMES
        edges = self._edges(frames, first)
        raw = np.empty((len(starts), 3), np.float32)
        shared = _shared(self, frames[:needed], period)
        for row, start in enumerate(first):
            pooled = shared.window(start).copy()
            pooled[..., : EDGE // 4, :] = edges[row, 0]
            pooled[..., -(EDGE // 4) :, :] = edges[row, 1]
            raw[row] = self._head.run(None, {self.POOLED: pooled})[0][0]
        return raw

    def trunk(self, frames: FloatArray) -> FloatArray:
        """Pooled features [batch, 32, frames / 2, 80] of frames [batch, frames, 320]."""
        features: FloatArray = self._trunk.run(None, {self.FRAMED: np.ascontiguousarray(frames)})[0]
        return features

    def _edges(self, frames: FloatArray, first: Sequence[int]) -> FloatArray:
        """Pooled features at both ends of each window, [window, end, 32, 2, 80]."""
        ends = [(frames[s : s + EDGE], frames[s + FRAMES - EDGE : s + FRAMES]) for s in first]
        pooled = self.trunk(np.stack([end for pair in ends for end in pair]))
        pooled = pooled.reshape(len(first), 2, *pooled.shape[1:])
        return np.stack([pooled[:, 0, :, : EDGE // 4], pooled[:, 1, :, EDGE // 4 :]], axis=1)

    def p808(self, signal: FloatArray, starts: Sequence[int]) -> FloatArray:
        """P.808 MOS [window]."""
        return np.array(
            [self._p808.run(None, {"input_1": _mel(signal[s : s + WINDOW - 160])[None]})[0][0, 0] for s in starts],
            dtype=np.float32,
        )


def _shared(models: Models, frames: FloatArray, period: int | None) -> _Rolling | _Repeating:
    """The trunk features that windows share; period: samples after which the signal repeats."""
    repeat = math.lcm(period, 2 * FRAME_HOP) // FRAME_HOP if period else len(frames)
    return _Repeating(models, frames, repeat) if repeat + 2 * CONTEXT <= len(frames) else _Rolling(models, frames)


def _features(models: Models, frames: FloatArray, low: int, high: int) -> FloatArray:
    """Pooled features [1, 32, (high - low) / 2, 80] of frames `low` to `high`, computed with their context."""
    before, after = min(CONTEXT, low), min(CONTEXT, len(frames) - high)
    pooled = models.trunk(frames[None, low - before : high + after])
    return pooled[:, :, before // 2 : before // 2 + (high - low) // 2]


class _Repeating:
    """Shared trunk features of frames with a period of an even number of frames, computed for one period."""

    def __init__(self, models: Models, frames: FloatArray, period: int) -> None:
        # The period begins at frame `CONTEXT`, because earlier frames lack context on the left.
        starts = range(CONTEXT, CONTEXT + period, BLOCK)
        blocks = [_features(models, frames, start, min(start + BLOCK, CONTEXT + period)) for start in starts]
        self.features = np.concatenate(blocks, axis=2)

    def window(self, start: int) -> FloatArray:
        """Pooled features [1, 32, 450, 80] of the 900 frames from `start`, not valid at the window's ends."""
        wanted = np.arange(FRAMES // 2) + (start - CONTEXT) // 2
        return self.features[:, :, wanted % self.features.shape[2]]


class _Rolling:
    """Shared trunk features, computed in blocks; only the blocks of the current window are kept."""

    def __init__(self, models: Models, frames: FloatArray) -> None:
        self.models, self.frames = models, frames
        self.kept: dict[int, FloatArray] = {}

    def window(self, start: int) -> FloatArray:
        """Pooled features [1, 32, 450, 80] of the 900 frames from `start`, not valid at the window's ends."""
        blocks = range(start // BLOCK, (start + FRAMES - 1) // BLOCK + 1)
        self.kept = {index: self.kept[index] if index in self.kept else self._block(index) for index in blocks}
        joined = np.concatenate([self.kept[index] for index in blocks], axis=2)
        offset = (start - blocks[0] * BLOCK) // 2
        return joined[:, :, offset : offset + FRAMES // 2]

    def _block(self, index: int) -> FloatArray:
        return _features(self.models, self.frames, index * BLOCK, min((index + 1) * BLOCK, len(self.frames)))


@cache
def models() -> Models:
    """Both networks, loaded once per process."""
    return Models()


def _pinned(file: str, sha256: str) -> bytes:
    spec = importlib.util.find_spec("speechmos")
    assert spec is not None
    assert spec.origin is not None
    model = (Path(spec.origin).parent / "dnsmos_models" / file).read_bytes()
    seen = hashlib.sha256(model).hexdigest()
    if seen != sha256:
        raise RuntimeError(f"speechmos/{file}: sha256 {seen}, wanted {sha256}; install speechmos 0.0.1.1")
    return model


@cache
def mel_basis() -> FloatArray:
    """librosa's Slaney mel filters, [161, 120], for the script's odd n_fft of 321."""
    return filters(RATE, FRAME + 1, 120).T


@cache
def fourier_basis() -> FloatArray:
    """Hann-windowed cosines and sines [321, 322]: for a length of 3 × 107 a matrix product is faster than an FFT."""
    size = FRAME + 1
    n, k = np.arange(size)[:, None], np.arange(size // 2 + 1)[None]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / size)
    angle = 2 * np.pi * (n * k % size) / size
    return np.concatenate([hann * np.cos(angle), hann * np.sin(angle)], axis=1).astype(np.float32)


def _mel(segment: FloatArray) -> FloatArray:
    """Log-mel spectrogram [900, 120]: (L + 40) / 40, where L is in dB relative to the maximum and at least -80."""
    padded = np.pad(segment, FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME + 1)[::FRAME_HOP]
    real, imaginary = np.split(frames @ fourier_basis(), 2, axis=1)
    mel = (real**2 + imaginary**2) @ mel_basis()
    decibel = 10 * np.log10(np.maximum(mel, 1e-10)) - 10 * np.log10(max(float(mel.max()), 1e-10))
    scaled: FloatArray = ((np.maximum(decibel, -80.0) + 40) / 40).astype(np.float32)
    return scaled
