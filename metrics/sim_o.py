"""SIM-O: the cosine of two speaker embeddings by WavLM-large + ECAPA-TDNN, fine-tuned for verification (seed-tts-eval).

SISE's Table 2 compares generated speech with the clean prompt; "-O" means original. For restored speech the original is
the reference. The cosine is not mapped to [0, 1]. Clips are neither trimmed nor normalised in loudness before the
encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.data import weights
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import FloatArray, Outcome
from restorebench.metrics.own_checkpoint import with_checkpoint

if TYPE_CHECKING:
    from restorebench.metrics.ecapa import SpeakerEncoder

RATE = 16_000
SHORTEST = 720
"""Samples of two frames, the fewest that the encoder's instance normalisation over frames accepts."""
WEIGHTS = "wavlm-large-ecapa"


@cache
def encoder(path: Path, device: str) -> SpeakerEncoder:
    """The network, loaded once per process."""
    from restorebench.metrics.ecapa import load_encoder

    return load_encoder(path).to(device)


class SimO:
    card = MetricCard(
        name="sim_o",
        version=1,
        summary="SIM-O: cosine of speaker embeddings by WavLM-large + ECAPA-TDNN, as in seed-tts-eval",
        source="SISE §IV; BytedanceSpeech/seed-tts-eval; microsoft/UniSpeech",
        licence="CC BY-SA 3.0",
        packages=("torch", "torchaudio"),
        extra="models",
        weights=(WEIGHTS,),
        cost=1.5,
        needs=frozenset({"reference"}),
        aligned=False,
        definition="encoder=wavlm-large-ecapa|resample=soxr-hq-16k",
        values=(
            Value(
                name="sim_o",
                label="SIM-O",
                unit="cos",
                direction="higher",
                decimals=3,
                ideal=1.0,
                role="voice",
                headline=True,
                margin=0.01,
                limit=0.25,
            ),
        ),
    )

    def __init__(self, checkpoint: str = "") -> None:
        """checkpoint: another file in UniSpeech's format; its sizes may differ."""
        self.checkpoint = checkpoint
        if checkpoint:
            self.card = with_checkpoint(checkpoint, SimO.card, "wavlm-large-ecapa")

    def prepare(self, subject: Subject) -> FloatArray:
        return self.voice(subject.reference)

    def score(self, prepared: FloatArray, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [{self.card.name: Outcome(float(np.dot(prepared, self.voice(clip))))} for clip in estimates]

    def voice(self, clip: Clip) -> FloatArray:
        """Unit-length speaker embedding [256] of a clip."""
        return clip.once(f"sim_o {self.checkpoint}", lambda: self._embed(clip.at(RATE)))

    def _embed(self, samples: FloatArray) -> FloatArray:
        import torch

        if not np.any(samples):
            raise ValueError("digital silence has no speaker embedding")
        if len(samples) < SHORTEST:
            raise ValueError(f"{len(samples) / RATE:.3f} s is too short for an embedding; wanted {SHORTEST / RATE} s")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        with torch.inference_mode():
            voice = encoder(self._path(), device)(torch.from_numpy(samples)[None].to(device))[0].cpu().numpy()
        unit: FloatArray = voice / np.linalg.norm(voice)
        return unit

    def _path(self) -> Path:
        path = Path(self.checkpoint) if self.checkpoint else weights.present(WEIGHTS)
        if path is None:
            raise RequestError(f"SIM-O's weights are not here; run: restorebench data fetch {WEIGHTS}")
        return path
