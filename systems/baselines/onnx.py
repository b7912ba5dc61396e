"""ONNX sessions for baselines: one thread each, weights from the catalogue."""

from __future__ import annotations

from typing import Any

from restorebench.benchmark.data.weights import fetch


def session(weights: str) -> Any:
    """An onnxruntime session with the named weights."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(fetch(weights)), options, providers=["CPUExecutionProvider"])
