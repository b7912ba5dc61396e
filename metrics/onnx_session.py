"""ONNX networks of metrics: one thread each, so that sums do not depend on the number of cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def session(model: bytes | Path) -> Any:
    """An onnxruntime session on a CPU; model: a file, or its bytes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
