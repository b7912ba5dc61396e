"""DTLN: a mask on the magnitude spectrum, then a mask on learned features, frame by frame (16 kHz, causal).

Source: Westhausen & Meyer, Interspeech 2020; breizhn/DTLN pretrained_model (ONNX), real_time_processing_onnx.py for the
order of operations. The block algorithm delays the output by one block minus one shift; this delay is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from restorebench.benchmark.audio import fit
from restorebench.benchmark.contracts import SystemCard, TrainingCorpus
from restorebench.benchmark.types import Audio, FloatArray
from restorebench.systems.baselines.onnx import session

BLOCK, SHIFT = 512, 128


class Dtln:
    card = SystemCard(
        name="dtln",
        version=1,
        summary="DTLN denoiser, 16 kHz (the engine resamples other rates to it and back)",
        source="Westhausen & Meyer 2020; github.com/breizhn/DTLN",
        packages=("onnxruntime",),
        extra="baselines",
        rate=16_000,
        weights=("dtln-1", "dtln-2"),
        parameters=987_000,
        training=(TrainingCorpus(corpus="DNS Challenge 2020"),),
        cost=0.1,
    )

    @cached_property
    def sessions(self) -> tuple[Any, Any]:
        return session("dtln-1"), session("dtln-2")

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [Audio(self._denoise(audio.samples), audio.rate) for audio in batch]

    def _denoise(self, samples: FloatArray) -> FloatArray:
        spectral, learned = self.sessions
        spectral_state, learned_state = np.zeros((2, 1, 2, 128, 2), np.float32)
        lead = BLOCK - SHIFT
        blocks = -(-(len(samples) + lead) // SHIFT)
        signal = np.pad(samples, (lead, blocks * SHIFT - len(samples)))
        out = np.zeros(len(signal), np.float32)
        for start in range(0, blocks * SHIFT, SHIFT):
            spectrum = np.fft.rfft(signal[start : start + BLOCK])
            magnitude = np.abs(spectrum).astype(np.float32)[None, None]
            mask, spectral_state = spectral.run(None, {"input_2": magnitude, "input_3": spectral_state})
            estimate = np.fft.irfft(spectrum * mask[0, 0]).astype(np.float32)[None, None]
            block, learned_state = learned.run(None, {"input_4": estimate, "input_5": learned_state})
            out[start : start + BLOCK] += block[0, 0]
        return fit(out[lead:], len(samples))
