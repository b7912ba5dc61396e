"""Run in pocket-tts's environment: writes random weights of the true class and a tokenizer of the true size.

python make_pocket.py FOLDER
"""

import sys
from pathlib import Path

import torch
import yaml
from pocket_tts import TTSModel
from pocket_tts.utils.config import CONFIGS_DIR
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

torch.manual_seed(0)
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
settings = yaml.safe_load((CONFIGS_DIR / "english.yaml").read_text())
letters = [("<unk>", 0.0), *((letter, -1.0) for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,'?!")]
unused = [(f"\u2042{number}", -99.0) for number in range(settings["flow_lm"]["lookup_table"]["n_bins"] - len(letters))]
Tokenizer(models.Unigram(letters + unused, unk_id=0)).save(str(folder / "tokenizer.json"))
settings |= {"weights_path": None, "weights_path_without_voice_cloning": None}
settings["flow_lm"]["lookup_table"]["tokenizer_path"] = str(folder / "tokenizer.json")
(folder / "local.yaml").write_text(yaml.safe_dump(settings))
model = TTSModel.load_model(config=folder / "local.yaml")
torch.nn.init.normal_(model.flow_lm.speaker_proj_weight, std=0.05)
save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors")
