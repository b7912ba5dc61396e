"""GTCRN: a 48 k-parameter complex-mask denoiser, run frame by frame from its streaming ONNX export (16 kHz).

Source: Rong et al., ICASSP 2024; Xiaobin-Rong/gtcrn stream/. STFT of 512 samples, hop 256, square-root Hann windows for
analysis and synthesis.
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

SIZE, HOP = 512, 256
CACHES = {"conv_cache": (2, 1, 16, 16, 33), "tra_cache": (2, 3, 1, 1, 16), "inter_cache": (2, 1, 33, 16)}


class Gtcrn:
    card = SystemCard(
        name="gtcrn",
        version=1,
        summary="GTCRN denoiser, 16 kHz (the engine resamples other rates to it and back)",
        source="Rong et al. 2024; github.com/Xiaobin-Rong/gtcrn",
        packages=("onnxruntime",),
        extra="baselines",
        rate=16_000,
        weights=("gtcrn",),
        parameters=48_200,
        training=(TrainingCorpus(corpus="DNS Challenge 2021"),),
        cost=0.05,
    )

    @cached_property
    def network(self) -> Any:
        return session("gtcrn")

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        return [Audio(self._denoise(audio.samples), audio.rate) for audio in batch]

    def _denoise(self, samples: FloatArray) -> FloatArray:
        from scipy.signal import ShortTimeFFT, windows

        transform = ShortTimeFFT(np.sqrt(windows.hann(SIZE, sym=False)), HOP, 16_000, scale_to=None)
        padded = fit(samples, max(len(samples), SIZE))
        spectrum = transform.stft(padded)
        frames = np.stack([spectrum.real, spectrum.imag], axis=-1).astype(np.float32)  # [bin, frame, 2]
        caches = {name: np.zeros(shape, np.float32) for name, shape in CACHES.items()}
        enhanced = np.empty_like(frames)
        for frame in range(frames.shape[1]):
            output, *new_caches = self.network.run(None, {"mix": frames[None, :, frame : frame + 1], **caches})
            enhanced[:, frame] = output[0, :, 0]
            caches = dict(zip(CACHES, new_caches, strict=True))
        restored = transform.istft(enhanced[..., 0] + 1j * enhanced[..., 1], k1=len(padded))
        return fit(np.real(restored).astype(np.float32), len(samples))
