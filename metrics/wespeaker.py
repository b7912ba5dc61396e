"""Speaker similarity by WeSpeaker's ResNet221-LM (ONNX), the papers' Spk Sim, as two values of one cosine.

`spk_sim@wespeaker` is (cos + 1) / 2, the toolkit's output since November 2023 and, it appears, the scale of the papers'
numbers; `spk_sim@wespeaker@cos` is the cosine. Features are computed as in the toolkit's ONNX script: Kaldi's 80 log
mel bands of 25 ms Hamming windows, 10 ms apart, of samples in the range of 16-bit integers. The mean per clip is
removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.data import weights
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import FloatArray, Outcome
from restorebench.metrics.onnx_session import session
from restorebench.metrics.own_checkpoint import with_checkpoint

RATE = 16_000
FULL_SCALE = 32_768.0
BANDS = 80
WEIGHTS = "wespeaker-resnet221-lm"


def features(samples: FloatArray) -> FloatArray:
    """Log mel bands [frame, 80] of 16 kHz samples in [-1, 1], mean removed. Raises ValueError below 25 ms."""
    from kaldi_native_fbank import FbankOptions, OnlineFbank

    options = FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = BANDS
    options.energy_floor = 0.0
    bank = OnlineFbank(options)
    bank.accept_waveform(RATE, (samples * FULL_SCALE).tolist())
    bank.input_finished()
    if bank.num_frames_ready == 0:
        raise ValueError(f"{len(samples) / RATE:.3f} s is too short for one frame of 25 ms")
    frames = np.stack([bank.get_frame(frame) for frame in range(bank.num_frames_ready)])
    return np.asarray(frames - frames.mean(axis=0), dtype=np.float32)


def mapped(cosine: float) -> float:
    """The toolkit's `compute_similarity`: the cosine mapped from [-1, 1] to [0, 1]."""
    return (cosine + 1) / 2


loaded = cache(session)
"""The network of a file, loaded once per process."""


class WeSpeakerSimilarity:
    card = MetricCard(
        name="spk_sim@wespeaker",
        version=1,
        summary="Speaker similarity by WeSpeaker's ResNet221-LM: (cos + 1) / 2 as in the papers, and the cosine",
        source="MaskSR2 §IV; wenet-e2e/wespeaker; decision D21",
        licence="CC-BY-4.0",
        packages=("onnxruntime", "kaldi-native-fbank"),
        extra="metrics",
        weights=(WEIGHTS,),
        cost=0.5,
        needs=frozenset({"reference"}),
        definition="encoder=resnet221-lm|fbank=kaldi80-hamming-int16scale|cmn=clip|resample=soxr-hq-16k",
        values=(
            Value(
                name="spk_sim@wespeaker",
                label="Spk sim",
                unit="(cos+1)/2",
                direction="higher",
                decimals=3,
                ideal=1.0,
                role="voice",
                headline=True,
                margin=0.01,
                limit=0.65,
            ),
            Value(
                name="spk_sim@wespeaker@cos",
                label="Spk sim cos",
                unit="cos",
                direction="higher",
                decimals=3,
                ideal=1.0,
                role="voice",
            ),
        ),
    )

    def __init__(self, checkpoint: str = "") -> None:
        """checkpoint: another ONNX file with the input [batch, frame, 80] and the embedding as output."""
        self.checkpoint = checkpoint
        if checkpoint:
            self.card = with_checkpoint(checkpoint, WeSpeakerSimilarity.card, "resnet221-lm")

    def prepare(self, subject: Subject) -> FloatArray:
        return self.embedding(subject.reference)

    def score(self, prepared: FloatArray, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        cosines = [float(np.dot(prepared, self.embedding(clip))) for clip in estimates]
        mapped_name, cosine_name = (value.name for value in self.card.values)
        return [{mapped_name: Outcome(mapped(cosine)), cosine_name: Outcome(cosine)} for cosine in cosines]

    def embedding(self, clip: Clip) -> FloatArray:
        """Unit-length speaker embedding [256] of a clip."""
        return clip.once(f"wespeaker {self.checkpoint}", lambda: self._embed(clip.at(RATE)))

    def _embed(self, samples: FloatArray) -> FloatArray:
        if not np.any(samples):
            raise ValueError("digital silence has no speaker embedding")
        network = loaded(self._path())
        [voice] = network.run(None, {network.get_inputs()[0].name: features(samples)[None]})
        unit: FloatArray = voice[0] / np.linalg.norm(voice[0])
        return unit

    def _path(self) -> Path:
        path = Path(self.checkpoint) if self.checkpoint else weights.present(WEIGHTS)
        if path is None:
            raise RequestError(f"WeSpeaker's weights are not here; run: restorebench data fetch {WEIGHTS}")
        return path
