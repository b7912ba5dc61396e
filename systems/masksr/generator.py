"""The masked acoustic model: it predicts logits of the masked codes from known codes and features (MaskSR2 §II-B)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.masksr.config import ModelConfig
from restorebench.systems.masksr.transformer import blocks, positions
from restorebench.systems.tokenizers.tokenizer import Codebook


class CodeEmbedding(nn.Module):
    """One embedding table per codebook; a frame's embedding is the sum of its codes' vectors.

    The last entry of each table is the vector of [MASK]. `config.embeddings` selects the form (d is `config.width`).
    "factorised" (Appendix A): the quantiser's code vectors (8 dimensions in DAC) and its projection, of which the first
    d output channels are used; missing channels are initialised at random. "full": tables of d-dimensional vectors,
    initialised with the projected code vectors.
    """

    def __init__(self, config: ModelConfig, quantiser: list[Codebook]) -> None:
        super().__init__()
        self.width, self.factorised = config.width, config.embeddings == "factorised"
        vectors = torch.stack([stage.vectors for stage in quantiser])  # [codebook, code, dim]
        weight = torch.stack([stage.weight for stage in quantiser])  # [codebook, out, dim]
        bias = torch.stack([stage.bias for stage in quantiser])  # [codebook, out]
        if weight.shape[1] < config.width:
            missing = config.width - weight.shape[1]
            weight = torch.cat([weight, weight.std() * torch.randn(len(weight), missing, weight.shape[2])], 1)
            bias = functional.pad(bias, (0, missing))
        if self.factorised:
            self.tables = nn.Parameter(_with_mask(vectors))
            self.weight, self.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        else:
            projected = vectors @ weight[:, : self.width].transpose(1, 2) + bias[:, None, : self.width]
            self.tables = nn.Parameter(_with_mask(projected))

    def code_vectors(self) -> Tensor:
        """The vector of every code and of [MASK], [codebook * (code + 1), width]."""
        if not self.factorised:
            return self.tables.flatten(0, 1)
        weight, bias = self.weight[:, : self.width], self.bias[:, None, : self.width]
        return (self.tables @ weight.transpose(1, 2) + bias).flatten(0, 1)

    def forward(self, codes: Tensor, vectors: Tensor | None = None) -> Tensor:
        """Embeddings [batch, frame, width] of codes [batch, codebook, frame].

        vectors: an earlier result of `code_vectors`, so that it is not computed again.
        """
        offsets = torch.arange(codes.shape[1], device=codes.device) * self.tables.shape[1]
        indices = (codes + offsets[:, None]).transpose(1, 2).flatten(0, 1)  # [batch * frame, codebook]
        table = (self.code_vectors() if vectors is None else vectors).float()  # sum in float32 even under autocast
        summed = functional.embedding_bag(indices, table, mode="sum")
        return summed.view(codes.shape[0], codes.shape[2], self.width)


def _with_mask(tables: Tensor) -> Tensor:
    """The tables, each with a random entry appended: the vector of [MASK] is learnt from scratch (Appendix A)."""
    return torch.cat([tables, tables.std() * torch.randn(len(tables), 1, tables.shape[2])], 1)


class Generator(nn.Module):
    """A transformer over code embeddings plus the encoder's features."""

    def __init__(self, config: ModelConfig, quantiser: list[Codebook]) -> None:
        super().__init__()
        self.codebooks, self.codebook_size = len(quantiser), len(quantiser[0].vectors)
        self.embedding = CodeEmbedding(config, quantiser)
        self.null = nn.Parameter(0.02 * torch.randn(config.width))
        """The learnt null embedding (§II-B), the same vector for every frame. It replaces the encoder's features for
        clips dropped in training, and in the unconditional pass of classifier-free guidance."""
        self.blocks = blocks(config.generator_blocks, config.width, config.heads, config.mlp, config.dropout)
        self.norm = nn.LayerNorm(config.width)
        self.dense = (
            nn.Sequential(nn.Linear(config.width, config.width), nn.GELU(), nn.LayerNorm(config.width))
            if config.dense
            else None
        )
        self.heads = nn.Linear(config.width, self.codebooks * self.codebook_size)
        """The output layers of all codebooks as one matrix; `config.heads` are attention heads."""

    @property
    def mask_code(self) -> int:
        return self.codebook_size

    def forward(self, codes: Tensor, condition: Tensor, vectors: Tensor | None = None) -> Tensor:
        """Hidden states [batch, frame, width].

        codes [batch, codebook, frame]; condition [batch, frame, width]: the encoder's features, or the null embedding;
        vectors: see `CodeEmbedding.forward`.
        """
        x = self.embedding(codes, vectors) + condition
        hidden: Tensor = self.norm(self.blocks(x + positions(x.shape[1], x.shape[2], x.device).to(x.dtype)))
        if self.dense is not None:
            hidden = self.dense(hidden)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits [batch, codebook, frame, code] of hidden states [batch, frame, width]."""
        shape = (*hidden.shape[:2], self.codebooks, self.codebook_size)
        logits: Tensor = self.heads(hidden).view(shape).transpose(1, 2)
        return logits

    def logits_at(self, hidden: Tensor, masked: Tensor) -> Tensor:
        """Logits [n, code] of the n masked codes only, ordered by codebook, then batch, then frame.

        masked [batch, codebook, frame] bool: true where a code is masked.
        """
        weight = self.heads.weight.view(self.codebooks, self.codebook_size, -1)
        bias = self.heads.bias.view(self.codebooks, self.codebook_size)
        return torch.cat([functional.linear(hidden[masked[:, k]], weight[k], bias[k]) for k in range(self.codebooks)])
