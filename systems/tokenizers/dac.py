"""Descript Audio Codec as a tokenizer, with its published weights.

This module reads the weight file itself: it accepts plain tensors only and checks every key. The package's own loader
falls back to unpickling and ignores missing keys.
"""

from __future__ import annotations

import importlib.util
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from restorebench.benchmark.data.weights import fetch
from restorebench.benchmark.errors import RequestError
from restorebench.systems.tokenizers.tokenizer import Codebook, pad_to_hop

CONFIGS: dict[str, dict[str, Any]] = {
    "dac-44khz": {
        "encoder_dim": 64, "encoder_rates": [2, 4, 8, 8], "decoder_dim": 1536, "decoder_rates": [8, 8, 4, 2],
        "n_codebooks": 9, "codebook_size": 1024, "codebook_dim": 8, "sample_rate": 44_100,
    },
    "dac-16khz": {
        "encoder_dim": 64, "encoder_rates": [2, 4, 5, 8], "decoder_dim": 1536, "decoder_rates": [8, 5, 4, 2],
        "n_codebooks": 12, "codebook_size": 1024, "codebook_dim": 8, "sample_rate": 16_000,
    },
}  # fmt: skip
"""The published configurations, by the name of their weights in the catalogue (conf/final/*.yml)."""
NUMPY_SCALARS: list[Any] = [
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.int64, np.float32, np.float64, np.bool_)),
    np.int64(0).__reduce__()[0],
]
"""NumPy types that the metadata of a published file may contain; the metadata is not used."""


class DacTokenizer(nn.Module):
    seamless = False

    def __init__(self, **config: Any) -> None:
        """A DAC with random weights; the arguments are those of `dac.model.DAC`."""
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package uses torch's older weight normalisation
            from dac.model import DAC

            self.codec = DAC(**config)
        self.rate = int(self.codec.sample_rate)
        self.hop = int(self.codec.hop_length)
        self.codebooks = int(self.codec.n_codebooks)
        self.codebook_size = int(self.codec.codebook_size)

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        codes: Tensor = self.codec.encode(pad_to_hop(audio, self.hop)[:, None])[1]
        return codes

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        return self.decode_latents(self.codec.quantizer.from_codes(codes)[0])

    @torch.no_grad()
    def decode_latents(self, quantised: Tensor) -> Tensor:
        """Audio, zero-padded where odd strides make the output of DAC's transposed convolutions a few samples short."""
        audio: Tensor = self.codec.decode(quantised)[:, 0]
        return nn.functional.pad(audio, (0, quantised.shape[-1] * self.hop - audio.shape[-1]))

    @torch.no_grad()
    def quantiser(self) -> list[Codebook]:
        stages = []
        for stage in self.codec.quantizer.quantizers:
            projection = stage.out_proj
            fused = torch._weight_norm(projection.weight_v, projection.weight_g, 0)
            stages.append(Codebook(stage.codebook.weight.detach(), fused[..., 0], projection.bias.detach()))
        return stages


def published(name: str) -> DacTokenizer:
    """A published DAC in evaluation mode; missing weights are downloaded. Raises RequestError."""
    if importlib.util.find_spec("dac") is None:
        raise RequestError(
            f"tokenizer {name} needs descript-audio-codec, not installed; run: pip install 'restorebench[dac]'"
        )
    return load(fetch(name), name)


def load(path: Path, name: str) -> DacTokenizer:
    """The DAC of `CONFIGS[name]` with the weights of a file in the format that the DAC project publishes.

    Raises RequestError, and nothing is half-loaded, when the file is broken, holds more than tensors and plain
    metadata, or its keys or shapes are not exactly those of the configuration.
    """
    tokenizer = DacTokenizer(**CONFIGS[name])
    state = read_state(path)
    wanted = tokenizer.codec.state_dict()
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    misshapen = sorted(key for key in wanted.keys() & state.keys() if wanted[key].shape != state[key].shape)
    if missing or extra or misshapen:
        raise RequestError(
            f"{path}: not the weights of {name}: {len(missing)} keys missing, {len(extra)} unknown, "
            f"{len(misshapen)} of another shape (e.g. {[*missing, *extra, *misshapen][0]}); fetch the file again"
        )
    tokenizer.codec.load_state_dict(state)
    tokenizer.requires_grad_(False)
    return tokenizer.eval()


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict of a published file, without running any code of its pickle. Raises RequestError."""
    try:
        with torch.serialization.safe_globals(NUMPY_SCALARS):
            content = torch.load(path, map_location="cpu", weights_only=True)
        state = content["state_dict"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, ValueError) as error:
        seen = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RequestError(f"{path}: cannot be read as DAC weights ({seen}); fetch the file again") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise RequestError(f"{path}: `state_dict` is not a dict of tensors only; fetch the file again")
    return state
