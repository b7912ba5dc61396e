"""Residual vector quantisation with factorised codes: project down, look up by cosine similarity, project up.

The scheme is DAC's: project to 8 dimensions, take the code whose direction is nearest, return its un-normalised vector,
project back; the next stage quantises the residual. Projections and codebooks are initialised from the principal
components and k-means of a batch, and codes that are no longer used are moved onto latents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.tokenizers.tokenizer import Codebook

USAGE_DECAY = 0.9
DEAD_BELOW = 0.03
"""A code is dead when its usage is below this fraction of the mean usage of all codes."""
KMEANS_ITERATIONS = 10
TINY = 1e-6


class Quantised(NamedTuple):
    output: Tensor
    """[batch, width, frame], the sum over stages."""
    codes: Tensor
    """[batch, codebook, frame] int64"""
    codebook_loss: Tensor
    """Mean squared distance of codes from latents, summed over stages."""
    commitment_loss: Tensor
    """The same value; its gradient moves the latents."""
    latents: list[Tensor]
    """Per stage [batch, dim, frame], before the lookup."""


class VectorQuantizer(nn.Module):
    usage: Tensor

    def __init__(self, width: int, size: int, dim: int) -> None:
        super().__init__()
        self.project_in = nn.Conv1d(width, dim, 1)
        self.project_out = nn.Conv1d(dim, width, 1)
        self.vectors = nn.Parameter(torch.randn(size, dim))
        self.register_buffer("usage", torch.ones(size))

    def nearest(self, latents: Tensor) -> Tensor:
        """Codes [batch, frame] of latents [batch, dim, frame], by cosine."""
        unit = functional.normalize(latents.transpose(1, 2), dim=-1)
        return (unit @ functional.normalize(self.vectors, dim=-1).T).argmax(-1)

    def lookup(self, codes: Tensor) -> Tensor:
        """[batch, dim, frame] of codes [batch, frame]."""
        return functional.embedding(codes, self.vectors).transpose(1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        latents = self.project_in(x)
        codes = self.nearest(latents)
        vectors = self.lookup(codes)
        codebook = (vectors - latents.detach()).square().mean((1, 2))
        commitment = (latents - vectors.detach()).square().mean((1, 2))
        # Without gradients this is the code vector itself, so that decoding the codes gives exactly the same audio.
        straight_through = latents + (vectors - latents).detach() if torch.is_grad_enabled() else vectors
        return self.project_out(straight_through), codes, codebook, commitment, latents

    @torch.no_grad()
    def start_from(self, x: Tensor, rng: torch.Generator) -> None:
        """Fits the projections to the principal components of x [batch, width, frame], the codes to k-means centres.

        Projected latents then have unit variance in every direction. Without this, nearly all latents of an untrained
        encoder have the same direction, and a lookup by cosine similarity finds a single code.
        """
        points = x.transpose(1, 2).flatten(0, 1)
        mean = points.mean(0)
        _, spread, directions = torch.linalg.svd(points - mean, full_matrices=False)
        dim = self.vectors.shape[1]
        scale = (spread[:dim] / len(points) ** 0.5).clamp(min=TINY)
        inwards, outwards = directions[:dim] / scale[:, None], directions[:dim].T * scale
        set_projection(self.project_in, inwards, -inwards @ mean)
        set_projection(self.project_out, outwards, mean)
        self.vectors.copy_(kmeans((points - mean) @ inwards.T, len(self.vectors), rng))


def set_projection(layer: nn.Conv1d, weight: Tensor, bias: Tensor) -> None:
    """weight [out, in], bias [out]."""
    assert layer.bias is not None
    layer.weight.copy_(weight[..., None])
    layer.bias.copy_(bias)


class ResidualQuantizer(nn.Module):
    def __init__(self, width: int, codebooks: int, size: int, dim: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(VectorQuantizer(width, size, dim) for _ in range(codebooks))

    def __iter__(self) -> Iterator[VectorQuantizer]:
        for stage in self.stages:
            assert isinstance(stage, VectorQuantizer)
            yield stage

    def forward(self, x: Tensor, stages: Tensor | None = None) -> Quantised:
        """Quantises x [batch, width, frame].

        `stages` [batch]: how many stages each clip uses. Later stages still give codes, but do not contribute to the
        output or the losses (DAC's quantiser dropout); the losses are means over all clips.
        """
        residual, output = x, torch.zeros_like(x)
        codes, latents = [], []
        codebook, commitment = x.new_zeros(()), x.new_zeros(())
        for stage_index, stage in enumerate(self):
            quantised, indices, stage_codebook, stage_commitment, latent = stage(residual)
            used = x.new_ones(len(x)) if stages is None else (stages > stage_index).to(x)
            residual, output = residual - quantised, output + quantised * used[:, None, None]
            codebook = codebook + (stage_codebook * used).mean()
            commitment = commitment + (stage_commitment * used).mean()
            codes.append(indices)
            latents.append(latent)
        return Quantised(output, torch.stack(codes, 1), codebook, commitment, latents)

    def decode(self, codes: Tensor) -> Tensor:
        """[batch, width, frame] of codes [batch, codebook, frame]."""
        return sum(
            (stage.project_out(stage.lookup(codes[:, k])) for k, stage in enumerate(self)),
            start=torch.zeros((), device=codes.device),
        )

    def codebook_state(self) -> Iterator[Tensor]:
        """Every stage's vectors and usage, which `track` and `revive` change without a gradient."""
        for stage in self:
            yield from (stage.vectors, stage.usage)

    def export(self) -> list[Codebook]:
        stages = []
        for stage in self:
            bias = stage.project_out.bias
            assert bias is not None
            stages.append(Codebook(stage.vectors.detach(), stage.project_out.weight.detach()[..., 0], bias.detach()))
        return stages

    @torch.no_grad()
    def start_from(self, x: Tensor, rng: torch.Generator) -> None:
        """Fits every stage to the residual that the stages before it leave of x [batch, width, frame]."""
        residual = x
        for stage in self:
            stage.start_from(residual, rng)
            residual = residual - stage(residual)[0]

    @torch.no_grad()
    def track(self, codes: Tensor) -> None:
        """Updates each code's usage from codes [batch, codebook, frame].

        Usage is an exponential moving average of the code's count, relative to the mean count of its codebook.
        """
        for k, stage in enumerate(self):
            count = torch.bincount(codes[:, k].flatten(), minlength=len(stage.usage)).float()
            share = count * len(stage.usage) / count.sum()
            stage.usage.lerp_(share, 1 - USAGE_DECAY)

    @torch.no_grad()
    def revive(self, latents: Sequence[Tensor], rng: torch.Generator) -> int:
        """Moves dead codes onto random latents ([batch, dim, frame] per stage). Returns how many were moved."""
        moved = 0
        for stage, latent in zip(self, latents, strict=True):
            dead = stage.usage < DEAD_BELOW
            points = latent.transpose(1, 2).flatten(0, 1)
            count = min(int(dead.sum()), len(points))
            if count:
                chosen = torch.randperm(len(points), generator=rng)[:count].to(points.device)
                dead_codes = dead.nonzero()[:count, 0]
                stage.vectors[dead_codes] = points[chosen]
                stage.usage[dead_codes] = 1.0
                moved += count
        return moved


@torch.no_grad()
def kmeans(points: Tensor, clusters: int, rng: torch.Generator) -> Tensor:
    """Centres [cluster, dim] of points [point, dim].

    The initial centres are random points with jitter; with fewer points than clusters, points are repeated.
    """
    order = torch.randperm(len(points), generator=rng).to(points.device)
    if len(points) < clusters:
        order = order.repeat(-(-clusters // len(points)))
    centres = points[order[:clusters]].clone()
    centres += 1e-3 * points.std() * torch.randn(centres.shape, generator=rng).to(points.device)
    for _ in range(KMEANS_ITERATIONS):
        nearest = torch.cdist(points, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        counts = torch.bincount(nearest, minlength=clusters)[:, None]
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres


def perplexity(codes: Tensor, size: int) -> Tensor:
    """exp of the entropy of the code frequencies per codebook: 1 (one code) to `size` (all codes equally frequent).

    codes [batch, codebook, frame]
    """
    counts = torch.stack([torch.bincount(codes[:, k].flatten(), minlength=size) for k in range(codes.shape[1])])
    share = counts.float() / counts.sum(1, keepdim=True)
    entropy: Tensor = torch.special.entr(share).sum(1)
    return entropy.exp()
