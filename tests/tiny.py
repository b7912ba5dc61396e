"""Training runs that are small enough for a test: bundled speech, a random codec, a model of a few thousand weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from restorebench.benchmark.types import Utterance
from restorebench.systems.training.config import RunConfig, merged
from restorebench.systems.training.recordings import SCHEMA, TEXTS, Recordings

CODEC = {"hop": 320, "window": 1280, "width": 16, "expansion": 2, "encoder_blocks": 1, "decoder_blocks": 2,
         "fine_blocks": 1, "codebooks": 3, "codebook_size": 16, "codebook_dim": 4}  # fmt: skip
MODEL = {"width": 32, "heads": 2, "encoder_blocks": 1, "generator_blocks": 1, "window": 1280,
         "distillation": "stft-16k", "seconds": 0.5}  # fmt: skip
MASKSR = {
    "name": "tiny",
    "kind": "masksr",
    "model": MODEL,
    "tokenizer": {"random": CODEC},
    "sampling": {"iterations": 4},
    "data": {
        "seconds": 0.5,
        "workers": 0,
        "options": {"bandwidth_hz": [1000, 8000], "p_rir": 0.0},
        "speech": [{"reader": "demo", "options": {"ids": ["slt_04", "rms_03", "awb_02"]}}],
        "validation": [{"reader": "demo", "options": {"ids": ["slt_08"]}}],
    },
    "training": {"steps": 4, "batch": 2, "rate": 1e-3, "log_every": 1, "validate_every": 2, "validation_clips": 3,
                 "listen": 1},
}  # fmt: skip
DCCRN = MASKSR | {"kind": "dccrn", "model": {"channels": [4, 8, 8], "units": 16}, "tokenizer": {}, "sampling": {}}
FRAME_CODEC = merged(MASKSR, {"name": "tiny-codec", "kind": "frame-codec", "data": {"corruption": ""}}) | {
    "model": CODEC,
    "tokenizer": {},
    "sampling": {},
    "losses": {"quantise_after": 1},
}


FOLDER_SUITE = """
name = "folder-suite"
version = 1
summary = "a folder"
metrics = ["lsd"]
systems = ["unprocessed"]
corpus = { reader = "folder", options = { path = "speech" } }
[[condition]]
name = "band"
corruption = "lowpass"
"""


def run_config(base: dict[str, Any] | None = None, **tables: Any) -> RunConfig:
    """The configuration of a tiny training run, with the keyword tables merged into it."""
    return RunConfig.model_validate(merged(base or MASKSR, tables))


def recordings_table(utterances: Sequence[Utterance]) -> Recordings:
    """A table of recordings with one second of audio per utterance; the files need not exist."""
    rows = [{name: getattr(u, name, "") for name in TEXTS} | {"rate": 16_000, "frames": 16_000} for u in utterances]
    return Recordings(pa.Table.from_pylist(rows, SCHEMA))


def quietly(stage: str, total: int, steps: Any) -> None:
    for _ in steps:
        pass


def trained(folder: Path, config: RunConfig | None = None, resume: bool = False) -> Path:
    """Trains a tiny run and returns the path of its checkpoint."""
    from restorebench.systems.training.loop import train

    return train(config or run_config(), folder, resume, None, quietly).checkpoint


def threads() -> list[str]:
    """Names of this process's threads, including those of native libraries."""
    return [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]


def write_toml(path: Path, tables: dict[str, Any]) -> Path:
    """Writes the tables as a TOML file and returns its path."""

    def literal(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, dict):
            return "{ " + ", ".join(f'"{key}" = {literal(item)}' for key, item in value.items()) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(literal(item) for item in value) + "]"
        return f'"{value}"' if isinstance(value, str) else str(value)

    path.write_text("\n".join(f"{key} = {literal(item)}" for key, item in tables.items()) + "\n")
    return path


def random_checkpoint(path: Path, model: dict[str, Any] | None = None, codec: dict[str, Any] | None = None) -> Path:
    """A MaskSR checkpoint with random weights, as `train` would write it."""
    import torch

    from restorebench.systems.masksr.task import MaskSrTask
    from restorebench.systems.training.checkpoint import save

    shape = MODEL if model is None else model
    tables = {"model": shape, "tokenizer": {"random": CODEC if codec is None else codec}}
    tables["data"] = {"seconds": shape.get("seconds", 4.0)}
    torch.manual_seed(0)
    task = MaskSrTask(RunConfig.model_validate(merged(MASKSR, tables) | {"model": shape}))
    task.average = None
    save(path, task.export())
    return path


def small_hubert(layers: int = 12) -> Any:
    """A HuBERT with the original kernels, strides and regularisation, but 8 channels per convolution, 24 per layer."""
    import torch
    from torchaudio.models.wav2vec2 import wav2vec2_model

    torch.manual_seed(0)
    return wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(8, 10, 5), *[(8, 3, 2)] * 4, *[(8, 2, 2)] * 2],
        extractor_conv_bias=False,
        encoder_embed_dim=24,
        encoder_projection_dropout=0.1,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=2,
        encoder_num_layers=layers,
        encoder_num_heads=2,
        encoder_attention_dropout=0.1,
        encoder_ff_interm_features=32,
        encoder_ff_interm_dropout=0.1,
        encoder_dropout=0.1,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.05,
        aux_num_out=None,
    )


SISE_CODEC = {"encoder_dim": 4, "decoder_dim": 32, "acoustic": 2, "codebook_size": 16, "codebook_dim": 4}
SISE = merged(MASKSR, {"name": "tiny-sise", "kind": "sise", "data": {"corruption": "dns"}}) | {
    "model": {"width": 32, "heads": 2, "blocks": 1, "feed_forward": 48, "encoder_dim": 4, "seconds": 0.5},
    "tokenizer": {"random": SISE_CODEC},
    "sampling": {"semantic_steps": 4, "acoustic_steps": [3, 1], "top_k": 5},
}
SISE["data"]["options"] = {"p_rir": 0.0}
# DAC's discriminators have up to 1024 channels whatever the codec's size, so the crops are short.
SISE_CODEC_RUN = merged(FRAME_CODEC, {"name": "tiny-sise-codec", "kind": "sise-codec", "data": {"seconds": 0.25}}) | {
    "model": SISE_CODEC,
    "losses": {"periods": [2], "fft_sizes": [256], "speakers": 4},
}


STAGE = {"width": 32, "heads": 2, "blocks": 2, "feed_forward": 48}
TTS = merged(MASKSR, {"name": "tiny-tts", "kind": "tts", "data": {"corruption": "", "seconds": 1.0}}) | {
    "model": {"semantic": STAGE, "acoustic": STAGE, "phones": "arpabet", "seconds": 1.0, "unconditional": 0.3},
    "tokenizer": {"random": SISE_CODEC},
    "sampling": {"semantic_steps": 4, "acoustic_steps": [3, 1], "top_share": 0.25},
}
TTS["data"]["options"] = {}


def random_tts(path: Path, **tables: Any) -> Path:
    """A text-to-speech checkpoint with random weights, as `train` would write it."""
    import torch

    from restorebench.systems.training.checkpoint import save
    from restorebench.systems.tts.task import TtsTask

    torch.manual_seed(0)
    task = TtsTask(run_config(TTS, **tables))
    task.average = None
    save(path, task.export())
    return path


def random_sise(path: Path, semantic: bool = True) -> Path:
    """A SISE checkpoint with random weights, as `train` would write it."""
    import torch

    from restorebench.systems.sise.diffusion_task import SiseTask
    from restorebench.systems.training.checkpoint import save

    torch.manual_seed(0)
    task = SiseTask(run_config(SISE, tokenizer={"random": {"semantic": semantic}}))
    task.average = None
    save(path, task.export())
    return path


def random_dccrn(path: Path) -> Path:
    """A DCCRN checkpoint with random weights, as `train` would write it."""
    import torch

    from restorebench.systems.dccrn.task import DccrnTask
    from restorebench.systems.training.checkpoint import save

    torch.manual_seed(0)
    task = DccrnTask(run_config(DCCRN))
    task.average = None
    save(path, task.export())
    return path


def refused(folder: Path, system: str, file: str, *words: str) -> None:
    """Checks that a restoration with this checkpoint is refused in one line with `words` and writes no output."""
    import pytest

    from restorebench.benchmark.errors import RequestError
    from restorebench.benchmark.folders.restore import restore_files

    with pytest.raises(RequestError) as caught:
        restore_files(folder / "in.wav", folder / "out.wav", f"{system}@{folder / file}")
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert not (folder / "out.wav").exists()
