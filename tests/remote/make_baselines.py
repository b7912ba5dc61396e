"""Run by a baseline's environment: random weights of the true class in the owners' file format.

python make_baselines.py NAME FOLDER
"""

import os
import sys
from pathlib import Path

import torch

NETWORKS = {"frcrn": "FRCRN_SE_16K", "mossformer2": "MossFormer2_SE_48K", "mossformergan": "MossFormerGAN_SE_16K"}
torch.manual_seed(0)


def demucs(folder: Path) -> None:
    from denoiser.demucs import Demucs

    torch.save(Demucs(hidden=64, sample_rate=16_000).state_dict(), folder / "dns64-a7761ff99a7d5bb6.th")


def clearvoice(folder: Path, network: str) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.chdir(folder)
    from clearvoice import ClearVoice

    model = ClearVoice(task="speech_enhancement", model_names=[network]).models[0].model
    torch.save({"model": {f"module.{key}": value for key, value in model.state_dict().items()}}, f"{network}.pt")


def voicefixer(folder: Path) -> None:
    """The package downloads its checkpoints when it is imported and finds none: so it finds empty ones first."""
    os.environ["HOME"] = str(folder)
    cache = folder / ".cache" / "voicefixer"
    analysis = cache / "analysis_module/checkpoints/vf.ckpt"
    vocoder = cache / "synthesis_module/44100/model.ckpt-1490000_trimed.pt"
    for path in (analysis, vocoder):
        path.parent.mkdir(parents=True)
        path.touch()
    from voicefixer.vocoder.config import Config
    from voicefixer.vocoder.model.generator import Generator

    Config.refresh(44_100)
    torch.save({"generator": Generator(Config.cin_channels).state_dict()}, vocoder)
    from voicefixer.restorer.model import VoiceFixer

    torch.save(VoiceFixer(channels=2, sample_rate=44_100).state_dict(), analysis)
    analysis.rename(folder / "vf.ckpt")
    vocoder.rename(folder / vocoder.name)


def dccrn(folder: Path) -> None:
    from asteroid.masknn import recurrent
    from asteroid.models import DCCRNet

    network = recurrent.DCCRMaskNetRNN
    recurrent.DCCRMaskNetRNN = lambda size, *rest, **options: network(int(size), *rest, **options)
    model = DCCRNet("DCCRN-CL", sample_rate=16_000)
    stored = {"model_name": "DCCRNet", "model_args": model.get_model_args(), "state_dict": model.state_dict()}
    torch.save(stored, folder / "DCCRNet_Libri1Mix_enhsingle_16k.bin")


name, where = sys.argv[1], Path(sys.argv[2])
where.mkdir(parents=True, exist_ok=True)
if name in NETWORKS:
    clearvoice(where, NETWORKS[name])
else:
    {"demucs-dns64": demucs, "voicefixer": voicefixer, "dccrn-libri1mix": dccrn}[name](where)
