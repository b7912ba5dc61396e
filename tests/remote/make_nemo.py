"""Run in NeMo's environment: saves a tiny random conformer transducer of the true class as a `.nemo` archive."""

import sys
import tempfile
from pathlib import Path

import sentencepiece
import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel
from omegaconf import OmegaConf

torch.manual_seed(0)
folder = Path(tempfile.mkdtemp())
(folder / "text.txt").write_text("\n".join(["the boat sails on the sea", "a cup of tea and a slice of bread"] * 40))
sentencepiece.SentencePieceTrainer.train(
    input=str(folder / "text.txt"), model_prefix=str(folder / "tokenizer"), vocab_size=40, model_type="bpe",
    unk_id=0, bos_id=-1, eos_id=-1, character_coverage=1.0, minloglevel=2,
)  # fmt: skip
pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
(folder / "vocab.txt").write_text("\n".join(pieces.id_to_piece(i) for i in range(1, pieces.get_piece_size())))
config = OmegaConf.create(
    {
        "sample_rate": 16000,
        "log_prediction": False,
        "tokenizer": {"dir": str(folder), "type": "bpe"},
        "model_defaults": {"enc_hidden": 16, "pred_hidden": 16, "joint_hidden": 16},
        "train_ds": None,
        "validation_ds": None,
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor", "sample_rate": 16000,
            "normalize": "per_feature", "window_size": 0.025, "window_stride": 0.01, "window": "hann", "features": 80,
            "n_fft": 512, "frame_splicing": 1, "dither": 0.00001, "pad_to": 0,
        },
        "encoder": {
            "_target_": "nemo.collections.asr.modules.ConformerEncoder", "feat_in": 80, "feat_out": -1, "n_layers": 1,
            "d_model": 16, "subsampling": "striding", "subsampling_factor": 4, "subsampling_conv_channels": 8,
            "ff_expansion_factor": 2, "self_attention_model": "rel_pos", "n_heads": 2, "att_context_size": [-1, -1],
            "xscaling": True, "untie_biases": True, "pos_emb_max_len": 500, "conv_kernel_size": 5, "dropout": 0.0,
            "dropout_emb": 0.0, "dropout_att": 0.0,
        },
        "decoder": {
            "_target_": "nemo.collections.asr.modules.RNNTDecoder", "normalization_mode": None,
            "random_state_sampling": False, "blank_as_pad": True,
            "prednet": {"pred_hidden": 16, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
        },
        "joint": {
            "_target_": "nemo.collections.asr.modules.RNNTJoint", "log_softmax": None, "preserve_memory": False,
            "fuse_loss_wer": False, "jointnet": {"joint_hidden": 16, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 2}},
        "loss": {"loss_name": "default"},
        "optim": {"name": "adamw", "lr": 0.001},
    }
)  # fmt: skip
model = EncDecRNNTBPEModel(cfg=config)
model.eval()
model.save_to(sys.argv[1])
