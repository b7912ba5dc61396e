"""SGMSE+ and StoRM in their own environment (sgmse 0.1.2): score-based models of the complex spectrogram at 16 kHz.

SGMSE+ is the package's own class. StoRM's authors publish code (sp-uhh/storm @257e963) but no package: its two networks
are NCSN++ built from the package's layers, and its sampler is written here from Lemercier et al. 2023, section III.
Both scale a clip by its peak before restoration and back after it.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import PosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sgmse.backbones.ncsnpp import NCSNpp
from sgmse.backbones.ncsnpp_utils import layerspp
from sgmse.data_module import SpecsDataModule
from sgmse.sdes import OUVESDE
from sgmse.util.other import pad_spec
from torch import Tensor, nn
from torch_ema import ExponentialMovingAverage

Array = NDArray[np.float32]
STORM_NETWORKS = {
    "ncsnpp": {},
    "ncsnpplarge": {"ch_mult": (1, 1, 2, 2, 2, 2, 2), "num_res_blocks": 2, "attn_resolutions": (16,)},
    "ncsnpp12M": {"nf": 96, "ch_mult": (1, 2, 2, 1)},
    "ncsnpp6M": {"nf": 96, "ch_mult": (1, 1, 1, 1)},
}
"""StoRM's names of NCSN++ sizes, as differences from its default."""
CONDITIONS = {"noisy": (True, False), "post_denoiser": (False, True), "both": (True, True)}
"""Whether StoRM's score network gets the noisy and the denoised spectrogram beside the diffusion state."""


NUMBERS = (np.core.multiarray.scalar, np.dtype, np.dtypes.Float64DType)  # type: ignore[attr-defined]
HARMLESS = (SpecsDataModule, Namespace, PosixPath, *NUMBERS)
"""Classes other than tensors that a Lightning checkpoint may name: settings and numbers, which run no code."""


class Remote:
    def __init__(self, checkpoint: str, model: str, steps: str, corrector: str, snr: str) -> None:
        """checkpoint: a Lightning checkpoint of the authors' training scripts, loaded at first use.

        model: sgmse or storm. steps: reverse diffusion steps. corrector: ald (annealed Langevin dynamics, one step) or
        none. snr: the corrector's step size.
        """
        self.checkpoint, self.kind, self.steps, self.corrector = checkpoint, model, int(steps), corrector
        self.snr = float(snr)
        self.model: Any = None

    def restore(self, clips: list[Array], seeds: list[int]) -> tuple[None, list[Array]]:
        """Restored 16 kHz clips [time], one at a time, each with its own seed."""
        if self.model is None:
            self.model = {"sgmse": load_sgmse, "storm": load_storm}[self.kind](self.checkpoint)
        restored = []
        with torch.no_grad():
            for clip, seed in zip(clips, seeds, strict=True):
                torch.manual_seed(seed)
                restored.append(self._restore(torch.from_numpy(clip.copy())))
        return None, restored

    def _restore(self, clip: Tensor) -> Array:
        peak = clip.abs().max()
        if peak == 0:
            return clip.numpy()
        data = self.model.data_module
        noisy = pad_spec(data.spec_fwd(data.stft(clip[None] / peak))[None])
        if self.kind == "sgmse":
            sampler = self.model.get_pc_sampler(
                "reverse_diffusion", self.corrector, noisy, N=self.steps, corrector_steps=1, snr=self.snr
            )
            spectrogram, _ = sampler()
        else:
            spectrogram = self.model.sample(noisy, self.steps, self.snr if self.corrector == "ald" else None)
        restored: Array = (data.istft(data.spec_back(spectrogram[0]), len(clip))[0] * peak).numpy()
        return restored


def read(path: str) -> dict[str, Any]:
    """A checkpoint, read without running code that it may contain. Raises ValueError when it names other classes."""
    with torch.serialization.safe_globals(list(HARMLESS)):
        if unknown := torch.serialization.get_unsafe_globals_in_checkpoint(path):
            raise ValueError(f"{path} names {', '.join(sorted(unknown))}; wanted a checkpoint of the authors' scripts")
        stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if lacking := [name for name in ("hyper_parameters", "state_dict", "ema") if name not in stored]:
        raise ValueError(f"{path} lacks {', '.join(lacking)}; wanted a checkpoint of the authors' scripts")
    stored["hyper_parameters"].setdefault("base_dir", "")
    return stored


def load_sgmse(path: str) -> Any:
    """The package's ScoreModel with the averaged weights of training."""
    from sgmse.model import ScoreModel

    stored = read(path)
    model = ScoreModel(**stored["hyper_parameters"] | {"data_module_cls": SpecsDataModule, "gpus": 0})
    model.load_state_dict(stored["state_dict"])
    model.on_load_checkpoint(stored)
    return model.eval()


def load_storm(path: str) -> Regeneration:
    """StoRM's networks with the averaged weights of training."""
    stored = read(path)
    model = Regeneration(stored["hyper_parameters"])
    model.load_state_dict(stored["state_dict"])
    average = ExponentialMovingAverage(model.parameters(), decay=0.999)
    average.load_state_dict(stored["ema"])
    average.copy_to(model.parameters())
    return model.eval()


class Regeneration(nn.Module):
    """Stochastic regeneration (Lemercier et al. 2023): a denoiser, then diffusion from its output to clean speech."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.denoiser_net = NcsnPlusPlus(1, STORM_NETWORKS[settings["backbone_denoiser"]], discriminative=True)
        self.condition = settings.get("condition", "both")
        inputs = 1 + sum(CONDITIONS[self.condition])
        self.score_net = NcsnPlusPlus(inputs, STORM_NETWORKS[settings["backbone_score"]], discriminative=False)
        self.sde = OUVESDE(**{name: settings[name] for name in ("theta", "sigma_min", "sigma_max")})
        self.t_eps = settings.get("t_eps", 0.03)
        self.data_module = SpecsDataModule(**settings | {"gpu": False})

    def sample(self, noisy: Tensor, steps: int, snr: float | None) -> Tensor:
        """Spectrogram [1, 1, frequency, frame] of restored speech; snr None: without a corrector."""
        denoised = self.denoiser_net(noisy)
        seen = [x for x, wanted in zip((noisy, denoised), CONDITIONS[self.condition], strict=True) if wanted]

        def score(x: Tensor, t: Tensor) -> Tensor:
            estimate: Tensor = self.score_net(torch.cat([x, *seen], dim=1), t)
            return -estimate

        mean: Tensor = self.sde.prior_sampling(denoised.shape, denoised)
        x = mean
        for t in torch.linspace(self.sde.T, self.t_eps, steps):
            time = t.expand(len(x))
            if snr is not None:
                size = 2 * (snr * self.sde._std(time)) ** 2
                x = x + size * score(x, time) + torch.randn_like(x) * torch.sqrt(2 * size)
            drift, diffusion = self.sde.sde(x, denoised, time)
            mean = x - drift / steps + diffusion**2 / steps * score(x, time)
            x = mean + diffusion / steps**0.5 * torch.randn_like(x)
        return mean


class NcsnPlusPlus(NCSNpp):  # type: ignore[misc]
    """NCSN++ for any number of complex inputs; without a diffusion time if it is a denoiser."""

    def __init__(self, inputs: int, size: dict[str, Any], discriminative: bool) -> None:
        default = {"ch_mult": (1, 2, 2, 2), "num_res_blocks": 1, "attn_resolutions": (0,), "centered": False}
        super().__init__(
            **default | size,
            conditional=not discriminative,
            scale_by_sigma=not discriminative,
            progressive="output_skip",
        )
        channels = 2 * inputs
        self.output_layer = nn.Conv2d(channels, 2, 1)
        for index, module in enumerate(self.all_modules):
            if isinstance(module, layerspp.Combine):
                self.all_modules[index] = layerspp.Combine(dim1=channels, dim2=module.Conv_0.out_channels, method="sum")
            elif isinstance(module, nn.Conv2d) and module.in_channels == 4:
                self.all_modules[index] = layerspp.conv3x3(channels, module.out_channels)
            elif isinstance(module, nn.Conv2d) and module.out_channels == 4:
                self.all_modules[index] = layerspp.conv3x3(module.in_channels, channels)

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """x: complex [batch, input, frequency, frame]; the output has one channel."""
        layers = iter(self.all_modules)
        x = torch.view_as_real(x).permute(0, 1, 4, 2, 3).flatten(1, 2)
        embedding = next(layers)
        signal = None if time is None else next(layers)(embedding(torch.log(time)))
        signal = None if signal is None else next(layers)(self.act(signal))
        x = pyramid = 2 * x - 1
        hidden = [next(layers)(x)]
        for level in range(self.num_resolutions):
            for _ in range(self.num_res_blocks):
                h = next(layers)(hidden[-1], signal)
                hidden.append(next(layers)(h) if h.shape[-2] in self.attn_resolutions else h)
            if level < self.num_resolutions - 1:
                h = next(layers)(hidden[-1], signal)
                pyramid = self.pyramid_downsample(pyramid)
                hidden.append(next(layers)(pyramid, h))
        h = next(layers)(hidden[-1], signal)
        h = next(layers)(h)
        h = next(layers)(h, signal)
        output: Tensor | None = None
        for level in reversed(range(self.num_resolutions)):
            for _ in range(self.num_res_blocks + 1):
                h = next(layers)(torch.cat([h, hidden.pop()], dim=1), signal)
            if h.shape[-2] in self.attn_resolutions:
                h = next(layers)(h)
            shown = self.act(next(layers)(h))
            shown = next(layers)(shown)
            output = shown if output is None else self.pyramid_upsample(output) + shown
            if level:
                h = next(layers)(h, signal)
        assert output is not None
        if time is not None:
            output = output / time[:, None, None, None]
        parts = self.output_layer(output).permute(0, 2, 3, 1).contiguous()
        return torch.view_as_complex(parts)[:, None]
