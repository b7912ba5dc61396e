"""Masked diffusion over the codec's tokens, layer by layer (SISE §2.2; decisions D25-D31).

A noisy encoder with the codec encoder's structure encodes the degraded speech. One denoiser predicts the semantic
layer, another the acoustic layers given the semantic one. Without disentanglement one denoiser predicts all layers.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from restorebench.systems.sise.backbone import Backbone
from restorebench.systems.sise.codec import dac_encoder
from restorebench.systems.sise.config import CodecConfig, DiffusionConfig, TransformerConfig
from restorebench.systems.tokenizers.frames import FrameEncoder
from restorebench.systems.tokenizers.tokenizer import pad_to_hop


def mask_share(t: Tensor) -> Tensor:
    """sigma(t) = sin(pi t / 2) for t in (0, 1]: the share of a layer that is masked."""
    return torch.sin(0.5 * math.pi * t)


class TokenTables(nn.Module):
    """One table of token embeddings per layer: of full width, or of `inner` channels with a projection to the width."""

    def __init__(self, layers: int, tokens: int, width: int, inner: int) -> None:
        super().__init__()
        self.full = None if inner else nn.Parameter(0.02 * torch.randn(layers, tokens, width))
        self.inner = nn.Parameter(torch.randn(layers, tokens, inner)) if inner else None
        self.project = nn.Parameter(0.02 * inner**-0.5 * torch.randn(layers, inner, width)) if inner else None

    def rows(self) -> Tensor:
        """The embeddings of all layers, [layer * token, width]."""
        if self.full is not None:
            return self.full.flatten(0, 1)
        assert self.inner is not None
        assert self.project is not None
        return (self.inner @ self.project).flatten(0, 1)


class Denoiser(nn.Module):
    """Predicts one layer of tokens from the layers before it, its own unmasked tokens, and conditions.

    Tokens of all layers are embedded and summed per frame (SoundStorm's input), with an embedding of the layer to
    predict.
    """

    def __init__(self, config: TransformerConfig, layers: int, codebook_size: int, condition: int) -> None:
        """condition: channels of the conditions that a projection adds to the input."""
        super().__init__()
        self.layers, self.codebook_size = layers, codebook_size
        self.tables = TokenTables(layers, codebook_size + 1, config.width, config.table_dim)
        self.layer = nn.Embedding(layers, config.width)
        self.condition = nn.Linear(condition, config.width)
        self.backbone = Backbone(config.width, config.heads, config.blocks, config.feed_forward, config.dropout)
        self.heads = nn.Parameter(config.width**-0.5 * torch.randn(layers, codebook_size, config.width))

    @property
    def mask_code(self) -> int:
        return self.codebook_size

    def forward(self, codes: Tensor, layer: Tensor, condition: Tensor) -> Tensor:
        """Logits [batch, frame, code] of one layer per clip.

        codes [batch, layer, frame] with [MASK] where hidden, layer [batch], condition [batch, frame, channel].
        """
        return self.logits(self.hidden(codes, layer, condition), layer)

    def hidden(self, codes: Tensor, layer: Tensor, condition: Tensor) -> Tensor:
        """The states [batch, frame, width] that `logits` takes."""
        offsets = torch.arange(self.layers, device=codes.device) * (self.codebook_size + 1)
        indices = (codes + offsets[:, None]).transpose(1, 2).flatten(0, 1)
        embedded = nn.functional.embedding_bag(indices, self.tables.rows().float(), mode="sum")
        x = embedded.view(codes.shape[0], codes.shape[2], -1) + self.condition(condition) + self.layer(layer)[:, None]
        hidden: Tensor = self.backbone(x)
        return hidden

    def logits(self, hidden: Tensor, layer: Tensor) -> Tensor:
        """Logits [batch, frame, code] of one layer per clip."""
        logits: Tensor = hidden @ self.heads[layer].transpose(1, 2)
        return logits


class Sise(nn.Module):
    """The noisy encoder and its denoisers, without the codec."""

    def __init__(self, config: DiffusionConfig, codec: CodecConfig) -> None:
        super().__init__()
        self.config, self.codec_config, self.hop = config, codec, codec.hop
        self.encoder: Any
        if codec.frames:
            width = config.encoder_dim
            self.encoder = FrameEncoder(codec.frames, width, codec.frames.encoder_blocks)
        else:
            width = config.encoder_dim * 2 ** len(codec.encoder_rates)
            self.encoder = dac_encoder(config.encoder_dim, codec.encoder_rates, width)
        size = codec.codebook_size
        self.first = Denoiser(config, 1 if codec.semantic else codec.layers, size, width)
        """Predicts the semantic layer; without disentanglement, all layers."""
        self.acoustic = Denoiser(config, codec.acoustic, size, width + config.width) if codec.semantic else None
        self.semantic_table = nn.Embedding(size, config.width) if codec.semantic else None

    def encode(self, degraded: Tensor) -> Tensor:
        """y_en [batch, frame, channel] of degraded audio [batch, time]."""
        padded = pad_to_hop(degraded, self.hop)
        encoded: Tensor = self.encoder(padded if self.codec_config.frames else padded[:, None])
        return encoded.transpose(1, 2)

    def acoustic_condition(self, encoded: Tensor, semantic: Tensor) -> Tensor:
        """C_a: y_en beside the embedding of semantic codes [batch, frame]."""
        assert self.semantic_table is not None
        semantic_part: Tensor = self.semantic_table(semantic)
        return torch.cat([encoded, semantic_part], dim=-1)

    def forward(self, degraded: Tensor, codes: Tensor, masked: Tensor, layer: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits [batch, frame, code] of the first (semantic) layer and of each clip's acoustic `layer`.

        codes [batch, layer, frame] are the target's. masked [batch, 2, frame] bool: the masked tokens of the semantic
        layer and of `layer`. Without disentanglement: logits of `layer`, counted over all layers, and None; only
        masked[:, 1] is used.
        """
        encoded = self.encode(degraded)
        if self.acoustic is None:
            return self.first(holed(codes, layer, masked[:, 1], self.first.mask_code), layer, encoded), None
        first_layer = torch.zeros_like(layer)
        semantic = self.first(
            holed(codes[:, :1], first_layer, masked[:, 0], self.first.mask_code), first_layer, encoded
        )
        condition = self.acoustic_condition(encoded, codes[:, 0])  # D26: the target's own semantic tokens
        acoustic = self.acoustic(holed(codes[:, 1:], layer, masked[:, 1], self.acoustic.mask_code), layer, condition)
        return semantic, acoustic


def holed(codes: Tensor, layer: Tensor, masked: Tensor, mask_code: int) -> Tensor:
    """Codes with [MASK] where `masked` is true in `layer`, and everywhere in later layers (SISE §2.2).

    codes [batch, layer, frame], layer [batch], masked [batch, frame] bool.
    """
    index = torch.arange(codes.shape[1], device=codes.device)[None, :, None]
    own, later = index == layer[:, None, None], index > layer[:, None, None]
    return codes.masked_fill(later | (own & masked[:, None]), mask_code)
