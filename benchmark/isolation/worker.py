"""The worker process of `remote.py`: a script that the Python of an isolated environment runs. It imports only numpy.

Reads frames from standard input and writes frames to standard output. A frame is the length of a JSON head in 8 bytes,
the head, then the arrays that the head describes. Whatever the component prints goes to standard error.
"""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of libraries must not get between the frames
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    component: Any = None
    while True:
        try:
            head, arrays = read_frame(sys.stdin.buffer)
        except EOFError:
            return
        value: Any = None
        outputs: Sequence[Array] = []
        try:
            if component is None:
                component = load(head["file"], head["settings"])
            else:
                value, outputs = getattr(component, head["method"])(arrays, **head["options"])
            write_frame(answers, {"value": value}, outputs)
        except Exception as error:
            traceback.print_exc()
            line = " ".join(str(error).split())
            write_frame(answers, {"error": f"{type(error).__name__}: {line}"}, [])


def end_with_parent(parent: int) -> None:
    """Ends this process when the parent has ended, even during a call, while the main thread does not read the pipe."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def load(path: str, settings: dict[str, Any]) -> Any:
    """An instance of the class `Remote` in the component's file."""
    spec = importlib.util.spec_from_file_location("remote_component", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Remote(**settings)


def read_exactly(stream: IO[bytes], count: int) -> bytes:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], list[Array]]:
    (length,) = struct.unpack(">Q", read_exactly(stream, 8))
    head = json.loads(read_exactly(stream, length))
    arrays = []
    for facts in head["arrays"]:
        dtype = np.dtype(facts["dtype"])
        size = dtype.itemsize * int(np.prod(facts["shape"], dtype=np.int64))
        arrays.append(np.frombuffer(read_exactly(stream, size), dtype=dtype).reshape(facts["shape"]))
    return head, arrays


def write_frame(stream: IO[bytes], head: dict[str, Any], arrays: Sequence[Array]) -> None:
    contiguous = [np.ascontiguousarray(array) for array in arrays]
    described = [{"dtype": array.dtype.str, "shape": list(array.shape)} for array in contiguous]
    text = json.dumps({**head, "arrays": described}).encode()
    stream.write(struct.pack(">Q", len(text)) + text)
    for array in contiguous:
        stream.write(array.tobytes())
    stream.flush()


if __name__ == "__main__":
    main()
