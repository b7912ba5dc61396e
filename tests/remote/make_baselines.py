"""Run in a baseline's environment: writes random weights of the true class in the owners' file format.

python make_baselines.py NAME FOLDER
"""

import os
import struct
import sys
from pathlib import Path

NETWORKS = {"frcrn": "FRCRN_SE_16K", "mossformer2": "MossFormer2_SE_48K", "mossformergan": "MossFormerGAN_SE_16K"}


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
    """On import, the package downloads checkpoints that are absent; empty files prevent the download."""
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


SPECTROGRAM = {"sde": "ouve", "theta": 1.5, "sigma_min": 0.05, "sigma_max": 0.5, "base_dir": "/data"}


def sgmse(folder: Path) -> None:
    """In the format of the Lightning checkpoints of the authors' training, including the data module's class."""
    from sgmse.data_module import SpecsDataModule
    from sgmse.model import ScoreModel

    model = ScoreModel("ncsnpp", data_module_cls=SpecsDataModule, **SPECTROGRAM)
    stored = {"hyper_parameters": dict(model.hparams), "state_dict": model.state_dict(), "ema": model.ema.state_dict()}
    torch.save(stored, folder / "train_vb_29nqe0uh_epoch=115.ckpt")


def storm(folder: Path) -> None:
    """No package has StoRM's class. Our own class gives the output of the authors' code (systems/README.md)."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "systems" / "baselines" / "remote"))
    from sgmse.data_module import SpecsDataModule
    from sgmse_package import Regeneration
    from torch_ema import ExponentialMovingAverage

    sizes = {"backbone_denoiser": "ncsnpp", "backbone_score": "ncsnpp", "condition": "both"}
    settings = {**SPECTROGRAM, **sizes, "data_module_cls": SpecsDataModule}
    model = Regeneration(settings)
    average = ExponentialMovingAverage(model.parameters(), decay=0.999).state_dict()
    torch.save({"hyper_parameters": settings, "state_dict": model.state_dict(), "ema": average}, folder / "storm.ckpt")


def field(number: int, value: bytes | str | int) -> bytes:
    """One field of a protocol buffer: a number as a varint, any other value after its length."""

    def varint(rest: int) -> bytes:
        return bytes([rest]) if rest < 128 else bytes([rest % 128 + 128]) + varint(rest // 128)

    if isinstance(value, int):
        return varint(8 * number) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(8 * number + 2) + varint(len(content)) + content


def dpdfnet(folder: Path) -> None:
    """A network that halves each frame and keeps its state, with the official signature and metadata.

    The package has no class from which to draw random weights, and its environment cannot write ONNX.
    """

    def tensor(name: str, *shape: int) -> bytes:
        dimensions = b"".join(field(1, field(1, size)) for size in shape)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, dimensions)))

    def node(operation: str, inputs: list[str], output: str) -> bytes:
        return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operation))

    spectrum, state = (1, 1, 161, 2), 4
    half = field(2, 1) + field(8, "half") + field(9, struct.pack("<f", 0.5))
    graph = node("Mul", ["spec", "half"], "spec_e") + node("Identity", ["state_in"], "state_out") + field(2, "halves")
    graph += field(5, half) + field(11, tensor("spec", *spectrum)) + field(11, tensor("state_in", state))
    graph += field(12, tensor("spec_e", *spectrum)) + field(12, tensor("state_out", state))
    metadata = {"state_size": "4", "erb_norm_state_size": "2", "spec_norm_state_size": "2"}
    metadata |= {"erb_norm_init": "0,0", "spec_norm_init": "0,0"}
    model = field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))
    model += b"".join(field(14, field(1, key) + field(2, value)) for key, value in metadata.items())
    (folder / "dpdfnet8.onnx").write_bytes(model)


name, where = sys.argv[1], Path(sys.argv[2])
where.mkdir(parents=True, exist_ok=True)
if name != "dpdfnet8":  # the environment of dpdfnet8 has no torch
    import torch

    torch.manual_seed(0)
if name in NETWORKS:
    clearvoice(where, NETWORKS[name])
else:
    {
        "demucs-dns64": demucs,
        "voicefixer": voicefixer,
        "dccrn-libri1mix": dccrn,
        "dpdfnet8": dpdfnet,
        "sgmse-vbdmd": sgmse,
        "storm": storm,
    }[name](where)
