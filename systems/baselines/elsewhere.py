"""Restorers that run only in their owners' programs. Their cards say how to run them and how to score their outputs.

RestoreBench installs none of them (checked 2026-11): each needs a program or weights from its owner, and SELM has no
published implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from restorebench.benchmark.components import why_not
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.errors import RequestError


@dataclass(frozen=True)
class Elsewhere:
    """A system of which RestoreBench has only the card. Calling it raises a RequestError that says how to run it."""

    card: SystemCard

    def __call__(self) -> NoReturn:
        raise RequestError(f"{self.card.name}: {why_not('systems', self.card.name)}")


def _elsewhere(name: str, rate: int, summary: str, source: str, licence: str, how_to_run: str) -> Elsewhere:
    return Elsewhere(
        SystemCard(
            name=name,
            version=1,
            summary=summary,
            source=source,
            licence=licence,
            rate=rate,
            elsewhere=how_to_run,
        )
    )


resemble_enhance = _elsewhere(
    "resemble-enhance", 44_100, "Resemble Enhance, 44.1 kHz: a denoiser, then conditional flow matching",
    "Resemble AI 2023; resemble-enhance 0.0.1", "MIT",
    "in an environment of its own (its package needs torch 2.1.1): pip install resemble-enhance; "
    "resemble-enhance DEGRADED FOLDER",
)  # fmt: skip
sidon = _elsewhere(
    "sidon", 48_000, "Sidon, 48 kHz: a w2v-BERT 2.0 feature predictor and a vocoder, for cleansing TTS corpora",
    "Nakata et al. 2025, arXiv 2509.17052", "MIT",
    "weights and program: huggingface.co/sarulab-speech/sidon-v0.1 (TorchScript)",
)  # fmt: skip
metis_se = _elsewhere(
    "metis-se", 24_000, "Metis for enhancement, 24 kHz: masked generation of semantic tokens, then MaskGCT's codec",
    "Wang et al. 2025, arXiv 2502.03128", "CC BY-NC 4.0",
    "program: github.com/open-mmlab/Amphion, models/tts/metis; weights: huggingface.co/amphion/metis",
)  # fmt: skip
anyenhance = _elsewhere(
    "anyenhance", 44_100, "AnyEnhance, 44.1 kHz: masked generation of DAC tokens with self-critic; CCF AATC's baseline",
    "Zhang et al. 2025, arXiv 2501.15417", "not stated",
    "program: github.com/viewfinder-annn/anyenhance-v1-ccf-aatc; no public weights: train it, then run python infer.py",
)  # fmt: skip
flowse_urgent = _elsewhere(
    "bsrnn-flowse-urgent", 48_000, "BSRNN with flow matching, up to 48 kHz: the URGENT challenge's generative baseline",
    "URGENT 2026, track 1", "Apache-2.0",
    "program: github.com/urgent-challenge/urgent2026_challenge_track1, whose README names the weights (BSRNN-Flow)",
)  # fmt: skip
tfgridnet_urgent = _elsewhere(
    "tf-gridnet-urgent", 48_000, "TF-GridNet, up to 48 kHz: the URGENT challenge's discriminative baseline",
    "URGENT 2024 and 2025; Wang et al. 2023", "Apache-2.0 (ESPnet)",
    "program and weights: github.com/urgent-challenge/urgent2025_challenge (ESPnet)",
)  # fmt: skip
selm = _elsewhere(
    "selm", 16_000, "SELM, 16 kHz: a language model of WavLM tokens, then a vocoder; a row of MaskSR2's Table IV",
    "Wang et al. 2024, arXiv 2312.09747", "not stated",
    "neither code nor weights are published; MaskSR2's Table IV quotes the numbers of the SELM paper",
)  # fmt: skip
