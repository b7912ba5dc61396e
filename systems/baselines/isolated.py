"""Baselines that run from their owners' packages, each package in a Python environment of its own.

The code of each worker (`remote/`) documents how its package processes a clip. None of these packages contains its
weights: `restorebench data fetch NAME` fetches them from the owners' address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from restorebench.benchmark.contracts import SystemCard, TrainingCorpus
from restorebench.benchmark.data.weights import fetch
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.isolation.packages import packaged, shared_remote
from restorebench.benchmark.isolation.remote import CALL_LIMIT_S, Remote
from restorebench.benchmark.types import Audio

SCRIPTS_FOLDER = Path(__file__).parent / "remote"
MAX_SECONDS_PER_AUDIO_SECOND = 60.0
"""Default processing time allowed per second of audio; a worker that takes longer is stopped as hung."""
SECONDS_OF_DIFFUSION = 600.0
"""Processing time allowed per second of audio for a sampler of up to a hundred network evaluations."""


@dataclass(frozen=True)
class IsolatedSystem:
    """A restorer that runs from its owner's package. Calling it returns the system itself, or a copy with options.

    The worker's code has a class `Remote` with a method `restore(clips, seeds)` for clips [time] at the card's rate.
    """

    card: SystemCard
    script: str
    """File name of the worker's code in `systems/baselines/remote`."""
    weights: tuple[tuple[str, str], ...]
    """Pairs of a worker's argument and the name of the weights whose path is its value."""
    settings: tuple[tuple[str, str], ...] = field(default=())
    """Further arguments of the worker; those that `options` may change are part of the card's identity."""
    options: tuple[tuple[str, str], ...] = ()
    """Settings that the system's name may change, as in `storm?steps=10`, with patterns of the allowed values."""
    seconds_per_second: float = MAX_SECONDS_PER_AUDIO_SECOND
    """Processing time allowed per second of audio."""

    def __call__(self, options: Mapping[str, str] | None = None) -> IsolatedSystem:
        """The system with the settings in `options`. Raises RequestError for an unknown option or a wrong value."""
        patterns = dict(self.options)
        for name, value in (options or {}).items():
            if not re.fullmatch(patterns.get(name, "(?!)"), value):
                known = ", ".join(f"{option}={pattern}" for option, pattern in patterns.items()) or "no option"
                raise RequestError(f"{self.card.name}: {name}={value}; wanted {known}")
        if not options:
            return self
        settings = {**dict(self.settings), **options}
        identity = _identity(self.card.identity.partition(" ")[0], settings)
        return replace(self, card=self.card.model_copy(update={"identity": identity}), settings=tuple(settings.items()))

    def restore(self, batch: Sequence[Audio], seeds: Sequence[int]) -> list[Audio]:
        limit_s = CALL_LIMIT_S + self.seconds_per_second * sum(audio.seconds for audio in batch)
        sounds = [audio.samples for audio in batch]
        _, restored = self.remote().call("restore", sounds, limit_s=limit_s, seeds=list(seeds))
        return [Audio(samples, audio.rate) for samples, audio in zip(restored, batch, strict=True)]

    def remote(self) -> Remote:
        """The system's worker process; missing weights are fetched first.

        The paths are absolute, because a worker may change its working folder or make links in another folder.
        """
        paths = tuple((argument, str(fetch(name).resolve())) for argument, name in self.weights)
        return shared_remote(SCRIPTS_FOLDER / self.script, self.card.environment, (*paths, *self.settings))


def _corpora(*names: str) -> tuple[TrainingCorpus, ...]:
    return tuple(TrainingCorpus(corpus=name) for name in names)


def _identity(code: str, settings: Mapping[str, str]) -> str:
    """The hash of a worker's code, followed by the worker's settings: part of the cache key."""
    return f"{code} {' '.join(f'{name}={value}' for name, value in settings.items())}"


_DENOISER, _DENOISER_LOCK, _DENOISER_CODE = packaged(SCRIPTS_FOLDER, "denoiser")
_CLEARVOICE, _CLEARVOICE_LOCK, _CLEARVOICE_CODE = packaged(SCRIPTS_FOLDER, "clearvoice")
_VOICEFIXER, _VOICEFIXER_LOCK, _VOICEFIXER_CODE = packaged(SCRIPTS_FOLDER, "voicefixer")
_ASTEROID, _ASTEROID_LOCK, _ASTEROID_CODE = packaged(SCRIPTS_FOLDER, "asteroid")
_SGMSE, _SGMSE_LOCK, _SGMSE_CODE = packaged(SCRIPTS_FOLDER, "sgmse")
_DPDFNET, _DPDFNET_LOCK, _DPDFNET_CODE = packaged(SCRIPTS_FOLDER, "dpdfnet")

voicefixer = IsolatedSystem(
    SystemCard(
        name="voicefixer",
        version=1,
        summary="VoiceFixer, 44.1 kHz, restores all four distortions; generates the waveform from a mel spectrogram",
        source="Liu et al. 2022; voicefixer 0.1.3, mode 0",
        rate=44_100,
        environment=_VOICEFIXER_LOCK,
        identity=_VOICEFIXER_CODE,
        weights=("voicefixer-analysis", "voicefixer-vocoder"),
        parameters=111_000_000,
        training=_corpora("training part of VCTK", "AISHELL-3", "HQ-TTS"),
        cost=1.0,
        deviations="none; the package cuts its output at both ends, which shifts the signal by up to 5 ms",
    ),
    _VOICEFIXER,
    (("analysis", "voicefixer-analysis"), ("vocoder", "voicefixer-vocoder")),
)


def _demucs(name: str, *corpora: str) -> IsolatedSystem:
    card = SystemCard(
        name=f"demucs-{name}",
        version=1,
        summary=f"DEMUCS denoiser, 16 kHz, causal, 64 channels, trained on {' and '.join(corpora)}",
        source="Défossez et al. 2020; denoiser 0.1.5",
        licence="CC BY-NC 4.0",
        rate=16_000,
        environment=_DENOISER_LOCK,
        identity=_DENOISER_CODE,
        weights=(f"demucs-{name}",),
        parameters=33_533_569,
        training=_corpora(*corpora),
        cost=0.5,
        deviations="MaskSR2 does not say which checkpoint it used",
    )
    return IsolatedSystem(card, _DENOISER, (("checkpoint", f"demucs-{name}"),))


demucs_dns64 = _demucs("dns64", "DNS Challenge 2020")
demucs_master64 = _demucs("master64", "DNS Challenge 2020", "VCTK (VoiceBank-DEMAND)")


def _clearvoice(
    name: str, network: str, rate: int, parameters: int, cost: float, source: str, role: str
) -> IsolatedSystem:
    card = SystemCard(
        name=name,
        version=1,
        summary=f"{network.partition('_')[0]} denoiser, {rate // 1000} kHz{role}",
        source=f"{source}; clearvoice 0.1.2",
        licence="Apache-2.0",
        rate=rate,
        environment=_CLEARVOICE_LOCK,
        identity=_CLEARVOICE_CODE,
        weights=(name,),
        parameters=parameters,
        stochastic=name == "mossformer2",  # its features contain random dither
        cost=cost,
        deviations="none; its input is rounded to 16 bits, as in the files that the package reads",
    )
    return IsolatedSystem(card, _CLEARVOICE, (("checkpoint", name),), (("network", network),))


frcrn = _clearvoice("frcrn", "FRCRN_SE_16K", 16_000, 13_963_604, 0.5, "Zhao et al. 2022", "")
mossformer2 = _clearvoice(
    "mossformer2", "MossFormer2_SE_48K", 48_000, 55_262_170, 1.5, "Zhao et al. 2024", ", SISE's MOSS-FORMER (D38)"
)
mossformergan = _clearvoice(
    "mossformergan", "MossFormerGAN_SE_16K", 16_000, 3_128_639, 1.5, "ClearerVoice-Studio",
    ", another candidate for SISE's MOSS-FORMER (D38)",
)  # fmt: skip

dccrn = IsolatedSystem(
    SystemCard(
        name="dccrn-libri1mix",
        version=1,
        summary="DCCRN denoiser, 16 kHz, the asteroid toolkit's checkpoint (Libri1Mix)",
        source="Hu et al. 2020; asteroid 0.7.0",
        licence="CC BY-SA 4.0",
        rate=16_000,
        environment=_ASTEROID_LOCK,
        identity=_ASTEROID_CODE,
        weights=("dccrn-libri1mix",),
        parameters=3_670_000,
        training=_corpora("LibriSpeech (Libri1Mix)"),
        cost=0.3,
        deviations="DCCRN's authors published no weights; SISE's row was trained on other mixtures (D39)",
    ),
    _ASTEROID,
    (("checkpoint", "dccrn-libri1mix"),),
)


def _score_based(
    name: str, steps: int, parameters: int, corpora: tuple[str, ...], summary: str, source: str
) -> IsolatedSystem:
    settings = {"model": name.partition("-")[0], "steps": str(steps), "corrector": "ald", "snr": "0.5"}
    options = (("steps", "[1-9][0-9]{0,3}"), ("corrector", "ald|none"), ("snr", r"[0-9]*\.?[0-9]+"))
    card = SystemCard(
        name=name,
        version=1,
        summary=f"{summary}, 16 kHz; by default {steps} reverse steps with an annealed Langevin corrector",
        source=source,
        rate=16_000,
        environment=_SGMSE_LOCK,
        identity=_identity(_SGMSE_CODE, settings),
        weights=(name,),
        parameters=parameters,
        training=_corpora(*corpora),
        stochastic=True,
        cost=50.0,
        deviations="not the model of MaskSR2's Table IV, which quotes the SELM paper's numbers of a retrained model",
    )
    return IsolatedSystem(card, _SGMSE, (("checkpoint", name),), tuple(settings.items()), options, SECONDS_OF_DIFFUSION)


_SGMSE_SOURCE = "Richter et al. 2023; sgmse 0.1.2 with the settings of its enhancement.py"
sgmse_vbdmd = _score_based(
    "sgmse-vbdmd", 30, 65_590_822, ("VCTK (VoiceBank-DEMAND)",), "SGMSE+ trained on VoiceBank-DEMAND", _SGMSE_SOURCE
)
sgmse_wsj0chime3 = _score_based(
    "sgmse-wsj0chime3", 30, 65_590_822, ("WSJ0",), "SGMSE+ trained on WSJ0-CHiME3", _SGMSE_SOURCE
)
storm = _score_based(
    "storm", 50, 55_118_388, (), "StoRM: a denoiser, then diffusion from its output",
    "Lemercier et al. 2023; sp-uhh/storm @257e963 with the settings of its enhancement.py",
)  # fmt: skip


def _dpdfnet(name: str, rate: int, parameters: int, cost: float) -> IsolatedSystem:
    card = SystemCard(
        name=name,
        version=1,
        summary=f"DPDFNet denoiser, {rate // 1000} kHz: DeepFilterNet2 with dual-path recurrent blocks",
        source="Rika et al. 2025, arXiv 2512.16420; dpdfnet 0.6.0; in neither paper's tables",
        licence="Apache-2.0",
        rate=rate,
        environment=_DPDFNET_LOCK,
        identity=_DPDFNET_CODE,
        weights=(name,),
        parameters=parameters,
        cost=cost,
        deviations="none",
    )
    return IsolatedSystem(card, _DPDFNET, (("network", name),), (("rate", str(rate)),))


dpdfnet8 = _dpdfnet("dpdfnet8", 16_000, 3_540_000, 0.1)
dpdfnet8_48khz = _dpdfnet("dpdfnet8-48khz", 48_000, 3_630_000, 0.3)
