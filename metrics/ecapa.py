"""ECAPA-TDNN on WavLM's hidden layers, the speaker encoder of SIM-O. ECAPA's modules are named as in the checkpoint.

Source: microsoft/UniSpeech, downstreams/speaker_verification; Desplanques et al. 2020; Chen et al. 2022 (WavLM).
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn.functional import layer_norm, relu

from restorebench.benchmark.errors import RequestError, reason

STRIDES = (5, 2, 2, 2, 2, 2, 2)
"""Strides of WavLM's convolutions, which the tensors' shapes do not determine. Their product is 320 samples (20 ms)."""
MAX_DISTANCE = 800
"""Distance in frames beyond which WavLM's relative position bias is constant."""
UNUSED = ("loss_calculator.projection.weight", "feature_extract.model.mask_emb")
"""Tensors of the checkpoint that only training needs."""
WAVLM = "feature_extract.model."

State = dict[str, Tensor]


class ConvReluNorm(nn.Module):
    def __init__(self, width_in: int, width: int, kernel: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width_in, width, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.bn(relu(self.conv(x)))
        return normed


class Res2(nn.Module):
    """Splits the channels into equal parts; all but the last are convolved, each after adding the previous result."""

    def __init__(self, width: int, scale: int, dilation: int) -> None:
        super().__init__()
        self.part = width // scale
        self.convs = nn.ModuleList(
            nn.Conv1d(self.part, self.part, 3, padding=dilation, dilation=dilation) for _ in range(scale - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(self.part) for _ in range(scale - 1))

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = torch.split(x, self.part, dim=1)
        results: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=True):
            results.append(norm(relu(conv(part + results[-1] if results else part))))
        return torch.cat([*results, last], dim=1)


class SqueezeExcite(nn.Module):
    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, bottleneck)
        self.linear2 = nn.Linear(bottleneck, width)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.linear2(relu(self.linear1(x.mean(dim=2)))))
        return x * gate[:, :, None]


class Block(nn.Module):
    def __init__(self, width: int, scale: int, dilation: int, bottleneck: int) -> None:
        super().__init__()
        self.Conv1dReluBn1 = ConvReluNorm(width, width)
        self.Res2Conv1dReluBn = Res2(width, scale, dilation)
        self.Conv1dReluBn2 = ConvReluNorm(width, width)
        self.SE_Connect = SqueezeExcite(width, bottleneck)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.SE_Connect(self.Conv1dReluBn2(self.Res2Conv1dReluBn(self.Conv1dReluBn1(x))))
        return x + changed


class AttentiveStatistics(nn.Module):
    """Attention-weighted mean and standard deviation over time: [batch, width, frame] -> [batch, 2 width]."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Conv1d(width, bottleneck, 1)
        self.linear2 = nn.Conv1d(bottleneck, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        attention = torch.softmax(self.linear2(torch.tanh(self.linear1(x))), dim=2)
        mean = (attention * x).sum(dim=2)
        variance = (attention * x**2).sum(dim=2) - mean**2
        return torch.cat([mean, variance.clamp(min=1e-9).sqrt()], dim=1)


class SpeakerEncoder(nn.Module):
    """Speaker embeddings [batch, 256] of 16 kHz samples [batch, time]; layer sizes are read from `state`."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.wavlm = wavlm_like({key.removeprefix(WAVLM): t for key, t in state.items() if key.startswith(WAVLM)})
        self.feature_weight = nn.Parameter(torch.zeros(len(state["feature_weight"])))
        width, features, kernel = state["layer1.conv.weight"].shape
        scale = width // state["layer2.Res2Conv1dReluBn.convs.0.weight"].shape[0]
        bottleneck = len(state["layer2.SE_Connect.linear1.weight"])
        self.instance_norm = nn.InstanceNorm1d(features)
        self.layer1 = ConvReluNorm(features, width, kernel)
        self.layer2 = Block(width, scale, 2, bottleneck)
        self.layer3 = Block(width, scale, 3, bottleneck)
        self.layer4 = Block(width, scale, 4, bottleneck)
        pooled = len(state["conv.weight"])
        self.conv = nn.Conv1d(3 * width, pooled, 1)
        self.pooling = AttentiveStatistics(pooled, len(state["pooling.linear1.weight"]))
        self.bn = nn.BatchNorm1d(2 * pooled)
        self.linear = nn.Linear(2 * pooled, len(state["linear.weight"]))

    def forward(self, samples: Tensor) -> Tensor:
        layers = torch.stack(self.hidden_layers(layer_norm(samples, samples.shape[1:])))
        mixed = torch.einsum("l,lbtf->bft", torch.softmax(self.feature_weight, dim=0), layers)
        first = self.layer1(self.instance_norm(mixed + 1e-6))
        second = self.layer2(first)
        third = self.layer3(second)
        fourth = self.layer4(third)
        frames = relu(self.conv(torch.cat([second, third, fourth], dim=1)))
        voice: Tensor = self.linear(self.bn(self.pooling(frames)))
        return voice

    def hidden_layers(self, samples: Tensor) -> list[Tensor]:
        """The input of each of WavLM's layers and the output of its last layer norm: [batch, frame, feature] each."""
        frames, _ = self.wavlm.feature_extractor(samples, None)
        x = self.wavlm.encoder.feature_projection(frames)
        transformer = self.wavlm.encoder.transformer
        x = x + transformer.pos_conv_embed(x)
        entering, positions = [], None
        for layer in transformer.layers:
            entering.append(x)
            x, positions = layer(x, position_bias=positions)
        return [*entering, transformer.layer_norm(x)]


def wavlm_like(state: State) -> torchaudio.models.Wav2Vec2Model:
    """An untrained WavLM with the sizes of `state`; pre-norm and without convolution biases, as in WavLM-large."""
    kernels = [state[f"feature_extractor.conv_layers.{layer}.0.weight"].shape for layer in range(len(STRIDES))]
    width, per_group, kernel = state["encoder.pos_conv.0.weight_v"].shape
    buckets, heads = state["encoder.layers.0.self_attn.relative_attention_bias.weight"].shape
    return torchaudio.models.wavlm_model(
        extractor_mode="layer_norm",
        extractor_conv_layer_config=[(out, size, step) for (out, _, size), step in zip(kernels, STRIDES, strict=True)],
        extractor_conv_bias=False,
        encoder_embed_dim=width,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=kernel,
        encoder_pos_conv_groups=width // per_group,
        encoder_num_layers=sum(key.endswith("self_attn.grep_a") for key in state),
        encoder_num_heads=heads,
        encoder_num_buckets=buckets,
        encoder_max_distance=MAX_DISTANCE,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=len(state["encoder.layers.0.fc1.weight"]),
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=True,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    )


LAYER = r"encoder\.layers\.(\d+)\."
RENAMED = {
    r"feature_extractor\.conv_layers\.(\d+)\.0\.": r"feature_extractor.conv_layers.\1.conv.",
    r"feature_extractor\.conv_layers\.(\d+)\.2\.1\.": r"feature_extractor.conv_layers.\1.layer_norm.",
    r"layer_norm\.": "encoder.feature_projection.layer_norm.",
    r"post_extract_proj\.": "encoder.feature_projection.projection.",
    r"encoder\.pos_conv\.0\.weight_g": "encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original0",
    r"encoder\.pos_conv\.0\.weight_v": "encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original1",
    r"encoder\.pos_conv\.0\.": "encoder.transformer.pos_conv_embed.conv.",
    r"encoder\.layer_norm\.": "encoder.transformer.layer_norm.",
    rf"{LAYER}self_attn\.relative_attention_bias\.": r"encoder.transformer.layers.\1.attention.rel_attn_embed.",
    rf"{LAYER}self_attn\.grep_linear\.": r"encoder.transformer.layers.\1.attention.gru_rel_pos_linear.",
    rf"{LAYER}self_attn\.grep_a": r"encoder.transformer.layers.\1.attention.gru_rel_pos_const",
    rf"{LAYER}self_attn\.": r"encoder.transformer.layers.\1.attention.attention.",
    rf"{LAYER}self_attn_layer_norm\.": r"encoder.transformer.layers.\1.layer_norm.",
    rf"{LAYER}fc1\.": r"encoder.transformer.layers.\1.feed_forward.intermediate_dense.",
    rf"{LAYER}fc2\.": r"encoder.transformer.layers.\1.feed_forward.output_dense.",
    rf"{LAYER}final_layer_norm\.": r"encoder.transformer.layers.\1.final_layer_norm.",
}
"""Pattern of a name in WavLM's checkpoint -> torchaudio's name; the first pattern that matches applies."""


def in_torchaudios_names(state: State) -> State:
    """WavLM's tensors under torchaudio's names, where queries, keys and values share one matrix."""
    joined: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if ".q_proj." in key:
            projections = [state[key.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
            joined[key.replace(".q_proj.", ".in_proj_")] = torch.cat(projections)
        elif ".k_proj." not in key and ".v_proj." not in key:
            joined[key] = tensor
    return {renamed(key): tensor for key, tensor in joined.items()}


def renamed(key: str) -> str:
    for pattern, replacement in RENAMED.items():
        if re.match(pattern, key):
            return re.sub(pattern, replacement, key, count=1)
    return key


def load_encoder(path: Path) -> SpeakerEncoder:
    """The encoder with the tensors of a checkpoint, in evaluation mode.

    Raises RequestError for a file that is not such a checkpoint, or whose tensors are not exactly those of the network.
    The official code leaves missing tensors at random values without a warning.
    """
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)["model"]
        state = {key: tensor for key, tensor in state.items() if key not in UNUSED}
        encoder = SpeakerEncoder(state)
        head = {key: tensor for key, tensor in state.items() if not key.startswith(WAVLM)}
        body = in_torchaudios_names({k.removeprefix(WAVLM): t for k, t in state.items() if k.startswith(WAVLM)})
        encoder.load_state_dict(head | {f"wavlm.{key}": tensor for key, tensor in body.items()}, strict=True)
    except Exception as error:
        raise RequestError(
            f"{path}: not a checkpoint of WavLM with ECAPA-TDNN in UniSpeech's format ({reason(error)})"
        ) from error
    return encoder.eval().requires_grad_(False)
