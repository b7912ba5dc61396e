"""Checkpoints of the nano models, trained by this project's own commands; they ship with the package.

They are half-precision safetensors files with a card in the header; `systems/README.md` describes how and on what data
they were trained. The codecs are separate files: the config of a model contains the name of its codec, and a digest of
the codec's weights that determine the codes.
"""

from __future__ import annotations

from pathlib import Path

from restorebench.benchmark.errors import RequestError

FOLDER = Path(__file__).parent


def bundled(name: str) -> Path:
    """The file of a shipped checkpoint. Raises RequestError when this installation lacks it."""
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise RequestError(f"{path}: this installation lacks the checkpoint {name}; install the package again")
    return path
