"""PocketSphinx with its bundled US-English model: runs anywhere and needs no download.

It is a weak recogniser (WER about 60 % on LibriSpeech test-other): use it to compare systems with each other, never
with a paper's WER.

Beams: at most 3000 active HMMs and 10 words per frame, and no second (flat-lexicon) pass. On 20 LibriSpeech clips these
beams give a real-time factor of 0.16 and a WER of 59.6 %, the defaults 0.50 and 61.0 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from restorebench.benchmark.types import FloatArray
from restorebench.metrics.recogniser import Recogniser, versions

BEAMS: dict[str, Any] = {"cmn": "batch", "fwdflat": False, "maxhmmpf": 3000, "maxwpf": 10}


@dataclass(frozen=True, kw_only=True)
class PocketSphinx(Recogniser):
    def transcribe_uncached(self, sounds: Sequence[FloatArray], language: str) -> list[str]:
        return [transcribe(sound) for sound in sounds]

    @property
    def transcript_key_parts(self) -> tuple[str, ...]:
        return (self.name, self.rules, *versions(self.packages))


@cache
def decoder() -> Any:
    """The recogniser, loaded once per process."""
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL", **BEAMS)


def transcribe(samples: FloatArray) -> str:
    """The transcript of 16 kHz speech [time]; it does not depend on the sounds decoded before."""
    recogniser = decoder()
    recogniser.reinit_feat()  # resets the feature extraction, whose state would otherwise change the words
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
    recogniser.start_utt()
    recogniser.process_raw(pcm.tobytes(), full_utt=True)
    recogniser.end_utt()
    hypothesis = recogniser.hyp()
    return str(hypothesis.hypstr) if hypothesis else ""


pocketsphinx = PocketSphinx(
    name="PocketSphinx en-us",
    rules="|".join(f"{key}={value}" for key, value in sorted(BEAMS.items())),
    packages=("pocketsphinx",),
    cost=0.3,
)
