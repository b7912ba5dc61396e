"""The masked acoustic model: codes with holes, plus the encoder's features, to logits of codes (MaskSR2 §II-B)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.masksr.config import ModelConfig
from restorebench.systems.masksr.transformer import blocks, positions
from restorebench.systems.tokenizers.tokenizer import Codebook


class CodeEmbedding(nn.Module):
    """One table per codebook, looked up and summed over codebooks. The last entry stands for [MASK].

    factorised (Appendix A): the quantiser's own structure, vectors of 8 and a projection whose first d channels are
    taken. full: d-dimensional tables.
    """

    def __init__(self, config: ModelConfig, quantiser: list[Codebook]) -> None:
        super().__init__()
        self.width, self.factorised = config.width, config.embeddings == "factorised"
        vectors = torch.stack([stage.vectors for stage in quantiser])  # [codebook, code, dim]
        weight = torch.stack([stage.weight for stage in quantiser])  # [codebook, out, dim]
        bias = torch.stack([stage.bias for stage in quantiser])  # [codebook, out]
        if weight.shape[1] < config.width:
            lacking = config.width - weight.shape[1]
            weight = torch.cat([weight, weight.std() * torch.randn(len(weight), lacking, weight.shape[2])], 1)
            bias = functional.pad(bias, (0, lacking))
        if self.factorised:
            self.tables = nn.Parameter(_with_mask(vectors))
            self.weight, self.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        else:
            projected = vectors @ weight[:, : self.width].transpose(1, 2) + bias[:, None, : self.width]
            self.tables = nn.Parameter(_with_mask(projected))

    def rows(self) -> Tensor:
        """The d-dimensional vector of every code, [codebook * (code + 1), width]."""
        if not self.factorised:
            return self.tables.flatten(0, 1)
        weight, bias = self.weight[:, : self.width], self.bias[:, None, : self.width]
        return (self.tables @ weight.transpose(1, 2) + bias).flatten(0, 1)

    def forward(self, codes: Tensor, rows: Tensor | None = None) -> Tensor:
        """[batch, frame, width] of codes [batch, codebook, frame]; `rows` when they are known already."""
        offsets = torch.arange(codes.shape[1], device=codes.device) * self.tables.shape[1]
        places = (codes + offsets[:, None]).transpose(1, 2).flatten(0, 1)  # [batch * frame, codebook]
        table = (self.rows() if rows is None else rows).float()  # a sum over codebooks, also under autocast
        summed = functional.embedding_bag(places, table, mode="sum")
        return summed.view(codes.shape[0], codes.shape[2], self.width)


def _with_mask(tables: Tensor) -> Tensor:
    """The tables with one more, random, entry each: [MASK] is learnt from scratch (Appendix A)."""
    return torch.cat([tables, tables.std() * torch.randn(len(tables), 1, tables.shape[2])], 1)


class Generator(nn.Module):
    def __init__(self, config: ModelConfig, quantiser: list[Codebook]) -> None:
        super().__init__()
        self.codebooks, self.codebook_size = len(quantiser), len(quantiser[0].vectors)
        self.embedding = CodeEmbedding(config, quantiser)
        self.null = nn.Parameter(0.02 * torch.randn(config.width))
        """Takes the place of the encoder's features for guidance: one vector for all frames."""
        self.blocks = blocks(config.generator_blocks, config.width, config.heads, config.mlp, config.dropout)
        self.norm = nn.LayerNorm(config.width)
        self.dense = (
            nn.Sequential(nn.Linear(config.width, config.width), nn.GELU(), nn.LayerNorm(config.width))
            if config.dense
            else None
        )
        self.heads = nn.Linear(config.width, self.codebooks * self.codebook_size)

    @property
    def mask_code(self) -> int:
        return self.codebook_size

    def forward(self, codes: Tensor, condition: Tensor, rows: Tensor | None = None) -> Tensor:
        """Hidden states [batch, frame, width] of codes [batch, codebook, frame] and features [batch, frame, width]."""
        x = self.embedding(codes, rows) + condition
        hidden: Tensor = self.norm(self.blocks(x + positions(x.shape[1], x.shape[2], x.device).to(x.dtype)))
        if self.dense is not None:
            hidden = self.dense(hidden)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """[batch, codebook, frame, code] of hidden states [batch, frame, width]."""
        shape = (*hidden.shape[:2], self.codebooks, self.codebook_size)
        logits: Tensor = self.heads(hidden).view(shape).transpose(1, 2)
        return logits

    def logits_at(self, hidden: Tensor, masked: Tensor) -> Tensor:
        """[masked, code]: logits of the masked places alone, in the order of `masked.nonzero()` by codebook.

        masked [batch, codebook, frame] bool. Rows are ordered by codebook first, then batch, then frame.
        """
        weight = self.heads.weight.view(self.codebooks, self.codebook_size, -1)
        bias = self.heads.bias.view(self.codebooks, self.codebook_size)
        return torch.cat([functional.linear(hidden[masked[:, k]], weight[k], bias[k]) for k in range(self.codebooks)])
