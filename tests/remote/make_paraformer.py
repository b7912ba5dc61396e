"""Run in FunASR's environment: writes a tiny random Paraformer of the true class as a FunASR model folder."""

import json
import sys
from pathlib import Path

import torch
import yaml
from funasr import AutoModel  # noqa: F401  # registers the classes
from funasr.models.paraformer.model import Paraformer

torch.manual_seed(0)
folder = Path(sys.argv[1])
folder.mkdir()
tokens = ["<blank>", "<s>", "</s>", *"我們你好世界今天氣很船在海上一杯茶和麵包", "<unk>"]
config = {
    "model": "Paraformer",
    "model_conf": {
        "ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_weight": 1.0,
        "predictor_bias": 1, "sampling_ratio": 0.75,
    },
    "encoder": "SANMEncoder",
    "encoder_conf": {
        "output_size": 32, "attention_heads": 2, "linear_units": 64, "num_blocks": 2, "dropout_rate": 0.0,
        "positional_dropout_rate": 0.0, "attention_dropout_rate": 0.0, "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
    },
    "decoder": "ParaformerSANMDecoder",
    "decoder_conf": {
        "attention_heads": 2, "linear_units": 64, "num_blocks": 2, "dropout_rate": 0.0, "positional_dropout_rate": 0.0,
        "self_attention_dropout_rate": 0.0, "src_attention_dropout_rate": 0.0, "att_layer_num": 2, "kernel_size": 11,
        "sanm_shfit": 0,
    },
    "predictor": "CifPredictorV2",
    "predictor_conf": {"idim": 32, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
    "frontend": "WavFrontend",
    "frontend_conf": {
        "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10, "lfr_m": 7, "lfr_n": 6,
    },
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
}  # fmt: skip
names = ("encoder", "encoder_conf", "decoder", "decoder_conf", "predictor", "predictor_conf")
parts = {name: config[name] for name in names}
model = Paraformer(**parts, **config["model_conf"], input_size=560, vocab_size=len(tokens))
with torch.no_grad():
    model.predictor.cif_output.bias.fill_(-1.5)
(folder / "config.yaml").write_text(yaml.safe_dump(config))
(folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
row = "<LearnRateCoef> 0 [ {} ]"
(folder / "am.mvn").write_text(
    "<Nnet>\n<Splice> 560 560\n[ 0 ]\n<AddShift> 560 560\n"
    + row.format(" ".join(["-10"] * 560))
    + "\n<Rescale> 560 560\n"
    + row.format(" ".join(["0.2"] * 560))
    + "\n</Nnet>\n"
)
torch.save(model.state_dict(), folder / "model.pt")
