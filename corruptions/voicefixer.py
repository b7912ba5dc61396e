"""VoiceFixer's degradation chain with MaskSR2's ranges: clip, reverberate, low-pass, add noise, set a joint level.

The papers leave details of the chain open. Each is a named option; D11 to D33 are decisions of the register:

    order="published"       D11: clip -> RIR -> low-pass -> noise; "noise-before-lowpass" is the other reading
    p_clip, p_rir           D11: VoiceFixer's probabilities 0.2 and 0.3 (MaskSR2 names none)
    hidden_lowpass=False    D11: the undocumented first low-pass of 3-7 kHz with p = 0.3
    align_rir=True          D12: the direct path at sample 0
    rir_level="limited"     a wet peak above 0.99 is scaled to 0.98, as in VoiceFixer; "direct" does not scale
    snr_law="rms"           D13: "active", or "voicefixer" for the published L1 ratio
    bandwidth_hz            D14: MaskSR2's [1000, 22050] Hz; VoiceFixer's range is [750, 22050] Hz
    filter_noise=True       D15: the noise passes the speech's low-pass before it is scaled
    target="dry"            D33: "early" keeps the first 50 ms of the RIR in the reference
    clip_draw="ratio"       uniform in the clip ratio [0.1, 0.5]; "factor" is uniform in 1 / ratio, as in VoiceFixer

Source: haoheliu/voicefixer_main @374e0d7; MaskSR2 §III-A
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from restorebench.benchmark.contracts import CorruptionCard, Scene
from restorebench.benchmark.types import Recipe
from restorebench.corruptions.chain import StepChain
from restorebench.corruptions.clipping import ClipStep
from restorebench.corruptions.level import JointLevelStep
from restorebench.corruptions.lowpass import DESIGNS, Design, LowPassStep, draw_step
from restorebench.corruptions.noise import NoiseStep, SnrDefinition
from restorebench.corruptions.options import Range, check_choice, check_range, check_share, uniform
from restorebench.corruptions.reverb import ReverbStep, Target, draw_rir
from restorebench.corruptions.sources import draw_noise
from restorebench.corruptions.step import Step

Order = Literal["published", "noise-before-lowpass"]
ClipDraw = Literal["ratio", "factor"]
RirLevel = Literal["limited", "direct"]
HIDDEN_P, HIDDEN_HZ, HIDDEN_ORDER = 0.3, (3000.0, 7000.0), 2


class VoiceFixer(StepChain):
    card = CorruptionCard(
        name="voicefixer",
        version=2,
        summary="VoiceFixer's chain (clip, RIR, low-pass, noise, joint level) with MaskSR2's ranges",
        source="voicefixer_main @374e0d7; MaskSR2 §III-A; decisions D11-D15, D33",
        packages=("pyroomacoustics",),
        extra="rooms",
    )

    def __init__(
        self,
        snr_db: Range = (-5.0, 20.0),
        bandwidth_hz: Range = (1000.0, 22050.0),
        clip_ratio: Range = (0.1, 0.5),
        t60_s: Range = (0.2, 1.0),
        gain: Range = (0.3, 1.0),
        p_clip: float = 0.2,
        p_rir: float = 0.3,
        p_lowpass: float = 1.0,
        p_resample: float = 0.5,
        p_noise: float = 1.0,
        noise: str = "synthetic",
        noise_split: str = "",
        rir: str = "simulated",
        rir_split: str = "",
        order: Order = "published",
        hidden_lowpass: bool = False,
        align_rir: bool = True,
        rir_level: RirLevel = "limited",
        snr_law: SnrDefinition = "rms",
        designs: tuple[Design, ...] = DESIGNS,
        filter_noise: bool = True,
        target: Target = "dry",
        clip_draw: ClipDraw = "ratio",
    ) -> None:
        self.snr_db = check_range("snr_db", snr_db, -60.0, 120.0)
        self.bandwidth_hz = check_range("bandwidth_hz", bandwidth_hz, 50.0, 96000.0)
        self.clip_ratio = check_range("clip_ratio", clip_ratio, 1e-3, 1.0)
        self.t60_s = check_range("t60_s", t60_s, 0.05, 5.0)
        self.gain = check_range("gain", gain, 1e-3, 1.0)
        self.p = {
            name: check_share(f"p_{name}", p)
            for name, p in (
                ("clip", p_clip),
                ("rir", p_rir),
                ("lowpass", p_lowpass),
                ("resample", p_resample),
                ("noise", p_noise),
            )
        }
        check_choice("order", order, Order)
        check_choice("snr_law", snr_law, SnrDefinition)
        check_choice("target", target, Target)
        check_choice("rir_level", rir_level, RirLevel)
        self.rir_level: RirLevel = rir_level
        check_choice("clip_draw", clip_draw, ClipDraw)
        for design in designs:
            check_choice("designs", design, Design)
        self.noise, self.noise_split, self.rir, self.rir_split = noise, noise_split, rir, rir_split
        self.order, self.hidden_lowpass, self.align_rir = order, hidden_lowpass, align_rir
        self.snr_law: SnrDefinition = snr_law
        self.designs = tuple(designs)
        self.filter_noise = filter_noise
        self.target: Target = target
        self.clip_draw = clip_draw

    def draw(self, rng: np.random.Generator, scene: Scene) -> Recipe:
        def chance(name: str) -> bool:
            return bool(rng.random() < self.p[name])

        first: list[Step] = []
        if self.hidden_lowpass and rng.random() < HIDDEN_P:
            cutoff = uniform(rng, HIDDEN_HZ)
            first.append(LowPassStep(cutoff_hz=cutoff, design="butter", order=HIDDEN_ORDER, zero_phase=False))
        if chance("clip"):
            first.append(ClipStep(ratio=self._clip_ratio(rng)))
        if chance("rir"):
            rir = draw_rir(rng, scene, self.rir, self.rir_split, self.t60_s)
            limited = self.rir_level == "limited"
            first.append(ReverbStep(rir=rir, align=self.align_rir, target=self.target, limited=limited))
        lowpass: list[LowPassStep] = []
        band = draw_step(rng, self.bandwidth_hz, self.designs)
        if chance("lowpass") and band.cutoff_hz < scene.rate / 2:
            lowpass.append(band)
            if chance("resample"):
                lowpass.append(band.model_copy(update={"design": "polyphase"}))
        noise: list[Step] = []
        if chance("noise"):
            noise.append(
                NoiseStep(
                    snr_db=uniform(rng, self.snr_db),
                    law=self.snr_law,
                    source=draw_noise(rng, scene, self.noise, self.noise_split),
                    lowpass=tuple(lowpass) if self.filter_noise and self.order == "published" else (),
                )
            )
        middle = [*lowpass, *noise] if self.order == "published" else [*noise, *lowpass]
        return self.recipe(*first, *middle, JointLevelStep(peak=uniform(rng, self.gain)))

    def _clip_ratio(self, rng: np.random.Generator) -> float:
        if self.clip_draw == "ratio":
            return uniform(rng, self.clip_ratio)
        low, high = self.clip_ratio
        return 1 / uniform(rng, (1 / high, 1 / low))
