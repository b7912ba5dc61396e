"""Run in qwen-tts's environment: writes a small random network of the true class in the layout of the owner's folder.

python make_qwen.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from qwen_tts.core.models import Qwen3TTSConfig, Qwen3TTSForConditionalGeneration
from qwen_tts.core.tokenizer_12hz.configuration_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Config
from qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2 import Qwen3TTSTokenizerV2Model
from transformers import EncodecFeatureExtractor
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tts_pad>", "<tts_bos>", "<tts_eos>"]
LAYERS = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32}
CODES, BOOKS = 2048, 16

torch.manual_seed(0)
folder = Path(sys.argv[1])
(folder / "speech_tokenizer").mkdir(parents=True, exist_ok=True)

letters = list(bytes_to_unicode().values())
vocabulary = {letter: number for number, letter in enumerate(letters + SPECIAL)}
(folder / "vocab.json").write_text(json.dumps(vocabulary))
(folder / "merges.txt").write_text("#version: 0.2\n")
added = {str(vocabulary[name]): {"content": name, "special": True} for name in SPECIAL}
settings = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added, "processor_class": "Qwen3TTSProcessor"}
(folder / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": SPECIAL[0], "eos_token": SPECIAL[2]}))
(folder / "preprocessor_config.json").write_text(json.dumps({"processor_class": "Qwen3TTSProcessor"}))
(folder / "generation_config.json").write_text(json.dumps({"do_sample": True, "temperature": 0.9, "top_k": 50}))

predictor = {**LAYERS, "num_key_value_heads": 1, "vocab_size": CODES, "num_code_groups": BOOKS}
talker = {
    **LAYERS, "num_key_value_heads": 1, "vocab_size": CODES + 1024, "num_code_groups": BOOKS, "text_hidden_size": 64,
    "text_vocab_size": len(vocabulary), "code_predictor_config": predictor,
    "codec_eos_token_id": CODES + 102, "codec_think_id": CODES + 106, "codec_nothink_id": CODES + 107,
    "codec_think_bos_id": CODES + 108, "codec_think_eos_id": CODES + 109, "codec_pad_id": CODES + 100,
    "codec_bos_id": CODES + 101, "codec_language_id": {"english": CODES + 2, "chinese": CODES + 7}, "spk_id": {},
    "spk_is_dialect": {}, "rope_scaling": {"type": "default", "mrope_section": [6, 5, 5], "interleaved": True},
}  # fmt: skip
config = Qwen3TTSConfig(
    talker_config=talker, speaker_encoder_config={"enc_dim": 64, "enc_channels": [64, 64, 64, 64, 192]},
    tokenizer_type="qwen3_tts_tokenizer_12hz", tts_model_size="0b6", tts_model_type="base",
    im_start_token_id=vocabulary["<|im_start|>"], im_end_token_id=vocabulary["<|im_end|>"],
    tts_pad_token_id=vocabulary["<tts_pad>"], tts_bos_token_id=vocabulary["<tts_bos>"],
    tts_eos_token_id=vocabulary["<tts_eos>"],
)  # fmt: skip
model = Qwen3TTSForConditionalGeneration(config)
torch.nn.init.normal_(model.talker.codec_head.weight.data[talker["codec_eos_token_id"]], std=0.3)  # so that speech ends
model.save_pretrained(folder)
written = json.loads((folder / "config.json").read_text())
speaker_encoder = written["speaker_encoder_config"]  # the class refuses keys that the owner's file lacks
written["speaker_encoder_config"] = {name: speaker_encoder[name] for name in ("enc_dim", "enc_channels", "sample_rate")}
(folder / "config.json").write_text(json.dumps(written))

encoder = {
    "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32,
    "num_key_value_heads": 2, "num_filters": 8, "codebook_dim": 32, "vector_quantization_hidden_dimension": 32,
    "num_quantizers": BOOKS, "frame_rate": 12.5, "upsample_groups": 64,
}  # fmt: skip
decoder = {
    "hidden_size": 64, "latent_dim": 64, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 64,
    "num_hidden_layers": 1, "num_quantizers": BOOKS, "decoder_dim": 96, "codebook_dim": 32, "head_dim": 32,
}  # fmt: skip
codec = Qwen3TTSTokenizerV2Model(Qwen3TTSTokenizerV2Config(encoder_config=encoder, decoder_config=decoder))
for value in codec.state_dict().values():
    if value.dtype == torch.float32 and not value.any():  # codebooks and biases, which the class leaves at zero
        torch.nn.init.normal_(value, std=0.5)
codec.save_pretrained(folder / "speech_tokenizer")
EncodecFeatureExtractor(feature_size=1, sampling_rate=24_000).save_pretrained(folder / "speech_tokenizer")
