"""A small random checkpoint of WavLM and ECAPA-TDNN, with the tensor names, ranks and nesting of UniSpeech's file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

STRIDES = (5, 2, 2, 2, 2, 2, 2)
KERNELS = (10, 3, 3, 3, 3, 2, 2)


def random_state(
    layers: int = 2,
    width: int = 32,
    heads: int = 4,
    channels: int = 16,
    head_width: int = 32,
    scale: int = 8,
    embedding_size: int = 12,
) -> dict[str, Tensor]:
    torch.manual_seed(0)
    state: dict[str, Tensor] = {}

    def weight(name: str, *shape: int, bias: bool = True) -> None:
        fan_in = max(1, int(torch.tensor(shape[1:]).prod()))
        state[f"{name}.weight"] = torch.randn(shape) / fan_in**0.5
        if bias:
            state[f"{name}.bias"] = 0.1 * torch.randn(shape[0])

    def norm(name: str, size: int) -> None:
        state[f"{name}.weight"] = 1 + 0.1 * torch.randn(size)
        state[f"{name}.bias"] = 0.1 * torch.randn(size)

    def batch_norm(name: str, size: int) -> None:
        norm(name, size)
        state[f"{name}.running_mean"] = 0.1 * torch.randn(size)
        state[f"{name}.running_var"] = 1 + 0.5 * torch.rand(size)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def conv_relu_bn(name: str, channels_out: int, channels_in: int, kernel: int) -> None:
        weight(f"{name}.conv", channels_out, channels_in, kernel)
        batch_norm(f"{name}.bn", channels_out)

    state["feature_weight"] = torch.randn(layers + 1)
    body = "feature_extract.model"
    state[f"{body}.mask_emb"] = torch.rand(width)
    for index, kernel in enumerate(KERNELS):
        name = f"{body}.feature_extractor.conv_layers.{index}"
        weight(f"{name}.0", channels, channels if index else 1, kernel, bias=False)
        norm(f"{name}.2.1", channels)
    norm(f"{body}.layer_norm", channels)
    weight(f"{body}.post_extract_proj", width, channels)
    state[f"{body}.encoder.pos_conv.0.bias"] = 0.1 * torch.randn(width)
    state[f"{body}.encoder.pos_conv.0.weight_g"] = torch.rand(1, 1, 16)
    state[f"{body}.encoder.pos_conv.0.weight_v"] = torch.randn(width, width // 4, 16)
    for index in range(layers):
        name = f"{body}.encoder.layers.{index}"
        if index == 0:
            state[f"{name}.self_attn.relative_attention_bias.weight"] = torch.randn(320, heads)
        state[f"{name}.self_attn.grep_a"] = 1 + torch.rand(1, heads, 1, 1)
        weight(f"{name}.self_attn.grep_linear", 8, width // heads)
        for part in "kvq":
            weight(f"{name}.self_attn.{part}_proj", width, width)
        weight(f"{name}.self_attn.out_proj", width, width)
        norm(f"{name}.self_attn_layer_norm", width)
        weight(f"{name}.fc1", 2 * width, width)
        weight(f"{name}.fc2", width, 2 * width)
        norm(f"{name}.final_layer_norm", width)
    norm(f"{body}.encoder.layer_norm", width)
    conv_relu_bn("layer1", head_width, width, 5)
    for layer in (2, 3, 4):
        name = f"layer{layer}"
        conv_relu_bn(f"{name}.Conv1dReluBn1", head_width, head_width, 1)
        for part in range(scale - 1):
            weight(f"{name}.Res2Conv1dReluBn.convs.{part}", head_width // scale, head_width // scale, 3)
            batch_norm(f"{name}.Res2Conv1dReluBn.bns.{part}", head_width // scale)
        conv_relu_bn(f"{name}.Conv1dReluBn2", head_width, head_width, 1)
        weight(f"{name}.SE_Connect.linear1", head_width // 4, head_width)
        weight(f"{name}.SE_Connect.linear2", head_width, head_width // 4)
    weight("conv", 3 * head_width, 3 * head_width, 1)
    weight("pooling.linear1", 8, 3 * head_width, 1)
    weight("pooling.linear2", 3 * head_width, 8, 1)
    batch_norm("bn", 6 * head_width)
    weight("linear", embedding_size, 6 * head_width)
    state["loss_calculator.projection.weight"] = torch.randn(20, embedding_size)
    return state


def write(path: Path) -> Path:
    torch.save({"model": random_state(), "best_valid_eer": 0.4}, path)
    return path
