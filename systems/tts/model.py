"""Two masked transformers: phones to semantic tokens, and semantic to acoustic tokens (MaskGCT's structure).

Both continue a prompt, whose tokens are known and precede the masked tokens of the sentence. The paper says only "a
structure similar to MaskGCT, with the proposed codec" (SISE §3); the transformer blocks are those of SISE.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorebench.systems.sise.backbone import Backbone
from restorebench.systems.sise.config import CodecConfig
from restorebench.systems.sise.diffusion import Denoiser
from restorebench.systems.tts.config import TtsConfig

NO_PHONE = -1
"""Pads a row of phones to the length of the batch's longest row."""
DURATION_WIDTH, DURATION_LAYERS, DURATION_REACH = 128, 3, 2


class DurationModel(nn.Module):
    """Predicts the logarithm of each phone's number of frames from the phone and its neighbours."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.phones = nn.Embedding(classes, DURATION_WIDTH)
        self.layers = nn.ModuleList(
            nn.Conv1d(DURATION_WIDTH, DURATION_WIDTH, 2 * DURATION_REACH + 1, padding=DURATION_REACH)
            for _ in range(DURATION_LAYERS)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(DURATION_WIDTH) for _ in range(DURATION_LAYERS))
        self.project = nn.Linear(DURATION_WIDTH, 1)

    def forward(self, phones: Tensor) -> Tensor:
        """Log-frames [batch, phone] of phones [batch, phone], NO_PHONE after the last one."""
        known = (phones != NO_PHONE)[..., None]
        x = self.phones(phones.clamp(min=0)) * known
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = (x + functional.gelu(layer(norm(x).transpose(1, 2)).transpose(1, 2))) * known
        log_frames: Tensor = self.project(x)[..., 0]
        return log_frames


class TextToSemantic(nn.Module):
    """Predicts semantic tokens from phones and from the tokens that are known."""

    def __init__(self, config: TtsConfig, codebook_size: int) -> None:
        super().__init__()
        sizes = config.semantic
        self.codebook_size = codebook_size
        self.phones = nn.Embedding(config.phone_set.classes, sizes.width)
        self.widen = nn.Linear(sizes.width, 4 * sizes.width)
        self.narrow = nn.Linear(4 * sizes.width, sizes.width)
        self.tokens = nn.Embedding(codebook_size + 1, sizes.width)
        self.backbone = Backbone(sizes.width, sizes.heads, sizes.blocks, sizes.feed_forward, sizes.dropout)
        self.head = nn.Linear(sizes.width, codebook_size, bias=False)

    @property
    def mask_code(self) -> int:
        return self.codebook_size

    def forward(self, tokens: Tensor, phones: Tensor, places: Tensor | None) -> Tensor:
        """Logits [batch, frame, code]; the arguments are those of `hidden`."""
        logits: Tensor = self.head(self.hidden(tokens, phones, places))
        return logits

    def hidden(self, tokens: Tensor, phones: Tensor, places: Tensor | None) -> Tensor:
        """States [batch, frame, width] that `head` turns into logits.

        tokens [batch, frame] hold `mask_code` where masked; phones [batch, phone] are classes of the phone set, and
        NO_PHONE after the last one; places [batch, phone] are the positions of the phones' middles in frames, or None
        if the phones come before the frames.
        """
        known = phones != NO_PHONE
        spoken = self.phones(phones.clamp(min=0))
        spoken = self.narrow(nn.functional.silu(self.widen(spoken)))
        x = torch.cat([spoken, self.tokens(tokens)], dim=1)
        attended = torch.cat([known, torch.ones_like(tokens, dtype=torch.bool)], dim=1)
        states: Tensor = self.backbone(x, positions(known, tokens.shape[1], places), attended)
        return states[:, phones.shape[1] :]


def positions(known: Tensor, frames: int, places: Tensor | None) -> Tensor:
    """Positions [batch, phone + frame]; `known` [batch, phone] is false after a row's last phone."""
    frame = torch.arange(frames, device=known.device).expand(len(known), frames)
    if places is not None:
        return torch.cat([places, frame], dim=1).float()
    phone = torch.arange(known.shape[1], device=known.device).expand_as(known)
    return torch.cat([phone, frame + known.sum(1, keepdim=True)], dim=1).float()


class SemanticToAcoustic(nn.Module):
    """Predicts the acoustic tokens layer by layer from the semantic tokens and from the tokens that are known."""

    def __init__(self, config: TtsConfig, layers: int, codebook_size: int) -> None:
        super().__init__()
        self.semantic = nn.Embedding(codebook_size, config.acoustic.width)
        self.denoiser = Denoiser(config.acoustic, layers, codebook_size, config.acoustic.width)

    @property
    def mask_code(self) -> int:
        return self.denoiser.mask_code

    def forward(self, codes: Tensor, layer: Tensor, semantic: Tensor) -> Tensor:
        """Logits [batch, frame, code] of one layer per clip; the arguments are those of `hidden`."""
        return self.denoiser.logits(self.hidden(codes, layer, semantic), layer)

    def hidden(self, codes: Tensor, layer: Tensor, semantic: Tensor) -> Tensor:
        """States [batch, frame, width]: codes [batch, layer, frame] with `mask_code` where masked, layer [batch],
        semantic [batch, frame]."""
        return self.denoiser.hidden(codes, layer, self.semantic(semantic))


class SpeechModel(nn.Module):
    """Both stages, without the codec, which must have a semantic layer."""

    def __init__(self, config: TtsConfig, codec: CodecConfig) -> None:
        super().__init__()
        self.config, self.codec_config = config, codec
        self.semantic = TextToSemantic(config, codec.codebook_size)
        self.acoustic = SemanticToAcoustic(config, codec.acoustic, codec.codebook_size)
        self.durations = DurationModel(config.phone_set.classes) if config.positions == "durations" else None

    def forward(
        self, tokens: Tensor, phones: Tensor, places: Tensor, codes: Tensor, layer: Tensor, semantic: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logits of the semantic stage (tokens, phones, places) and of the acoustic stage (codes, layer, semantic), and
        the log-frames of the phones if there is a duration model."""
        logits = self.semantic(tokens, phones, None if self.durations is None else places)
        log_frames = None if self.durations is None else self.durations(phones)
        return logits, self.acoustic(codes, layer, semantic), log_frames
