"""Training: `TASKS` maps each `kind` of a config to its task class."""

from __future__ import annotations

from importlib.util import find_spec

from restorebench.benchmark.errors import RequestError


def require_training_packages() -> None:
    """Raises RequestError, with the command that installs them, when a package of the extra `models` is absent."""
    absent = [name for name in ("torch", "torchaudio", "lightning_fabric", "safetensors") if not find_spec(name)]
    if absent:
        raise RequestError(
            f"training needs {', '.join(absent)}, not installed; run: pip install 'restorebench[models]'"
        )


TASKS = {
    "dccrn": "restorebench.systems.dccrn.task:DccrnTask",
    "frame-codec": "restorebench.systems.tokenizers.frame_codec_task:FrameCodecTask",
    "masksr": "restorebench.systems.masksr.task:MaskSrTask",
    "sise-codec": "restorebench.systems.sise.codec_task:SiseCodecTask",
    "sise-frame-codec": "restorebench.systems.sise.frame_codec_task:SiseFrameCodecTask",
    "sise": "restorebench.systems.sise.diffusion_task:SiseTask",
    "tts": "restorebench.systems.tts.task:TtsTask",
}
