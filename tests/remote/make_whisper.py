"""Run in Whisper's environment: saves a tiny random model of the true class in the official file format."""

import sys

import torch
from whisper.model import ModelDimensions, Whisper

torch.manual_seed(0)
dims = ModelDimensions(
    n_mels=80, n_audio_ctx=1500, n_audio_state=32, n_audio_head=2, n_audio_layer=1, n_vocab=51865, n_text_ctx=48,
    n_text_state=32, n_text_head=2, n_text_layer=2,
)  # fmt: skip
model = Whisper(dims)
with torch.no_grad():
    model.decoder.positional_embedding.normal_()  # the class leaves it uninitialised
    for block in model.decoder.blocks:  # the audio must outweigh the last token, or the model repeats that token
        block.cross_attn.value.weight.mul_(20)
        block.cross_attn.out.weight.mul_(20)
torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, sys.argv[1])
