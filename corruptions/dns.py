"""The DNS Challenge's mixing with SISE's ranges: reverberate, add noise, set a level.

The script and the paper leave details open. Each is a named option; D33 and D34 are decisions of the register:

    snr_db=(-10, 20)        SISE §3
    snr_law="rms"           D34: the realised SNR is the drawn SNR; "dns-segmental" is the official, biased mixer
    level_dbfs=(-35, -15)   RMS level of the mixture; the target is scaled by the same factor
    p_rir=1.0               the script convolves every clip
    target="dry"            D33: SISE dereverberates, while the script's own "clean" keeps the reverberation
    align_rir=True          the direct path at sample 0, so that dry target and input stay aligned

Source: DNS-Challenge @591184a noisyspeech_synthesizer_singleprocess.py, audiolib.py; SISE §3
"""

from __future__ import annotations

import numpy as np

from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.level import JointRmsStep
from restorebench.corruptions.noise import NoiseStep, SnrDefinition
from restorebench.corruptions.options import Range, check_choice, check_range, check_share, uniform
from restorebench.corruptions.reverb import ReverbStep, Target, draw_rir
from restorebench.corruptions.sources import draw_noise
from restorebench.corruptions.step import Step


class Dns(StepChain):
    card = CorruptionCard(
        name="dns",
        version=1,
        summary="DNS-style mixing with SISE's ranges (RIR, noise at -10 to 20 dB, level); dry target",
        source="DNS-Challenge @591184a; SISE §3; decisions D33, D34",
        packages=("pyroomacoustics",),
        extra="rooms",
    )

    def __init__(
        self,
        snr_db: Range = (-10.0, 20.0),
        level_dbfs: Range = (-35.0, -15.0),
        t60_s: Range = (0.3, 1.3),
        p_rir: float = 1.0,
        p_simulated: float = 0.5,
        noise: str = "synthetic",
        noise_split: str = "",
        rir: str = "simulated",
        rir_split: str = "",
        snr_law: SnrDefinition = "rms",
        align_rir: bool = True,
        target: Target = "dry",
    ) -> None:
        """p_simulated: probability that a room is simulated instead of taking a measured RIR from the folder `rir`."""
        self.snr_db = check_range("snr_db", snr_db, -60.0, 120.0)
        self.level_dbfs = check_range("level_dbfs", level_dbfs, -90.0, 0.0)
        self.t60_s = check_range("t60_s", t60_s, 0.05, 5.0)
        self.p_rir = check_share("p_rir", p_rir)
        self.p_simulated = check_share("p_simulated", p_simulated)
        if rir == "whamr" and self.p_simulated:
            raise RequestError('rir = "whamr" needs p_simulated = 0: the other simulated rooms are not WHAMR!\'s')
        check_choice("snr_law", snr_law, SnrDefinition)
        check_choice("target", target, Target)
        self.noise, self.noise_split, self.rir, self.rir_split = noise, noise_split, rir, rir_split
        self.snr_law: SnrDefinition = snr_law
        self.align_rir = align_rir
        self.target: Target = target

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        steps: list[Step] = []
        if rng.random() < self.p_rir:
            rir_source = "simulated" if rng.random() < self.p_simulated else self.rir
            rir = draw_rir(rng, scene, rir_source, self.rir_split, self.t60_s)
            steps.append(ReverbStep(rir=rir, align=self.align_rir, target=self.target))
        source = draw_noise(rng, scene, self.noise, self.noise_split)
        steps.append(NoiseStep(snr_db=uniform(rng, self.snr_db), law=self.snr_law, source=source))
        return self.recipe(*steps, JointRmsStep(dbfs=uniform(rng, self.level_dbfs)))
