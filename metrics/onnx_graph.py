"""Cuts a piece out of an ONNX model, so that work can be shared between overlapping inputs.

An ONNX file is a protobuf message. This module reads and rewrites only the fields that a cut needs (onnx.proto3:
ModelProto, GraphProto, NodeProto, ValueInfoProto) and copies nodes and weights byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Field = tuple[int, int, bytes | int]

VARINT, BYTES = 0, 2
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 11, 12, 13
NODE_INPUT, NODE_OUTPUT = 1, 2
FLOAT = 1

Dimension = int | str


def cut(model: bytes, source: str, source_shape: Sequence[Dimension], target: str) -> bytes:
    """The sub-model from the tensor `source` (float, with the given shape) to the tensor `target`.

    A dimension given as text is variable. Raises ValueError when `target` does not depend on `source`.
    """
    fields = list(_fields(model))
    graph = next(value for number, _, value in fields if number == MODEL_GRAPH and isinstance(value, bytes))
    parts = list(_fields(graph))
    nodes = [value for number, _, value in parts if number == GRAPH_NODE and isinstance(value, bytes)]
    kept = _between(nodes, source, target)
    dropped = (GRAPH_NODE, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO)
    rest = b"".join(_field(*part) for part in parts if part[0] not in dropped)
    piece = (
        b"".join(_field(GRAPH_NODE, BYTES, node) for node in kept)
        + rest
        + _field(GRAPH_INPUT, BYTES, _value_info(source, source_shape))
        + _field(GRAPH_OUTPUT, BYTES, _value_info(target, None))
    )
    head = b"".join(_field(*part) for part in fields if part[0] != MODEL_GRAPH)
    return head + _field(MODEL_GRAPH, BYTES, piece)


def _between(nodes: Sequence[bytes], source: str, target: str) -> list[bytes]:
    """The nodes that compute `target`, without those that only compute `source`, in the model's order."""
    producers = {name: index for index, node in enumerate(nodes) for name in _names(node, NODE_OUTPUT)}
    pending, needed, source_reached = [target], set(), False
    while pending:
        name = pending.pop()
        if name == source:
            source_reached = True
        elif name in producers and producers[name] not in needed:
            needed.add(producers[name])
            pending += _names(nodes[producers[name]], NODE_INPUT)
    if not source_reached:
        raise ValueError(f"{target} does not depend on {source}")
    return [node for index, node in enumerate(nodes) if index in needed]


def _names(node: bytes, number: int) -> list[str]:
    return [value.decode() for n, _, value in _fields(node) if n == number and isinstance(value, bytes)]


def _value_info(name: str, shape: Sequence[Dimension] | None) -> bytes:
    tensor = _field(1, VARINT, FLOAT)
    if shape is not None:
        dims = [_field(1, VARINT, d) if isinstance(d, int) else _field(2, BYTES, d.encode()) for d in shape]
        tensor += _field(2, BYTES, b"".join(_field(1, BYTES, dim) for dim in dims))
    return _field(1, BYTES, name.encode()) + _field(2, BYTES, _field(1, BYTES, tensor))


def _fields(message: bytes) -> Iterator[Field]:
    """(number, wire type, value) of each field of a protobuf message."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _read_varint(message, at)
            yield number, wire, value
        elif wire == BYTES:
            size, at = _read_varint(message, at)
            yield number, wire, message[at : at + size]
            at += size
        else:
            size = {1: 8, 5: 4}[wire]
            yield number, wire, message[at : at + size]
            at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, wire: int, value: bytes | int) -> bytes:
    tag = _varint(number << 3 | wire)
    if isinstance(value, int):
        return tag + _varint(value)
    return tag + _varint(len(value)) + value if wire == BYTES else tag + value
