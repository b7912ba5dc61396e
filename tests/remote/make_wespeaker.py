"""Run in an environment with onnx: saves a tiny random speaker encoder with WeSpeaker's inputs and outputs."""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
weights = {
    "kernel": rng.standard_normal((64, 80, 5)).astype(np.float32) * 0.05,
    "project": rng.standard_normal((128, 256)).astype(np.float32) * 0.1,
}
nodes = [
    helper.make_node("Transpose", ["feats"], ["bands"], perm=[0, 2, 1]),
    helper.make_node("Conv", ["bands", "kernel"], ["convolved"], pads=[2, 2]),
    helper.make_node("Relu", ["convolved"], ["active"]),
    helper.make_node("ReduceMean", ["active"], ["mean"], axes=[2], keepdims=1),
    helper.make_node("Sub", ["active", "mean"], ["centred"]),
    helper.make_node("Mul", ["centred", "centred"], ["squared"]),
    helper.make_node("ReduceMean", ["squared"], ["variance"], axes=[2], keepdims=1),
    helper.make_node("Concat", ["mean", "variance"], ["pooled"], axis=1),
    helper.make_node("Squeeze", ["pooled", "last"], ["flat"]),
    helper.make_node("MatMul", ["flat", "project"], ["embs"]),
]
constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
constants.append(numpy_helper.from_array(np.array([2], np.int64), "last"))
graph = helper.make_graph(
    nodes, "voice",
    [helper.make_tensor_value_info("feats", TensorProto.FLOAT, ["batch", "frame", 80])],
    [helper.make_tensor_value_info("embs", TensorProto.FLOAT, ["batch", 256])],
    constants,
)  # fmt: skip
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), sys.argv[1])
