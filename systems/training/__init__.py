"""Training by registry name. `BUILTIN` are what the command line runs, `TASKS` what a config's `kind` can name."""

BUILTIN = {
    "prepare": "prepare:prepare",
    "train": "loop:train",
}

TASKS = {
    "frame-codec": "restorebench.systems.tokenizers.frame_codec_task:FrameCodecTask",
    "masksr": "restorebench.systems.masksr.task:MaskSrTask",
    "sise-codec": "restorebench.systems.sise.codec_task:SiseCodecTask",
    "sise-frame-codec": "restorebench.systems.sise.frame_codec_task:SiseFrameCodecTask",
    "sise": "restorebench.systems.sise.diffusion_task:SiseTask",
}
