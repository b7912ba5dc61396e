"""A component for an isolated environment that dies, hangs or raises on request."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


class Remote:
    def __init__(self, folder: str = "", broken: bool = False) -> None:
        self.folder = Path(folder)
        if broken:
            raise ValueError("no such model")

    def double(self, arrays: list[Any]) -> tuple[Any, list[Any]]:
        print("libraries talk on standard output")
        return [len(array) for array in arrays], [2 * array for array in arrays]

    def version(self, arrays: list[Any]) -> tuple[str, list[Any]]:
        return np.__version__, []

    def die(self, arrays: list[Any], times: int) -> tuple[str, list[Any]]:
        """Kills its process, as the out-of-memory killer does, in each of the first `times` processes."""
        lives = len(list(self.folder.glob("died-*")))
        if lives < times:
            (self.folder / f"died-{lives}").touch()
            print("out of memory, goodbye", file=sys.stderr, flush=True)
            os.kill(os.getpid(), 9)
        return f"life {lives}", arrays

    def hang(self, arrays: list[Any]) -> tuple[None, list[Any]]:
        print("thinking", file=sys.stderr, flush=True)
        time.sleep(600)
        return None, []

    def refuse(self, arrays: list[Any]) -> tuple[None, list[Any]]:
        raise ValueError("this clip\nis empty")
