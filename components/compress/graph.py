"""What an exported graph holds and computes, counted in the file itself."""

import math
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from components.contracts import Graph
from components.inference import open_graph

RECURRENT_GATES = {"LSTM": 4, "GRU": 3, "DynamicQuantizeLSTM": 4}
DENSE = ("Gemm", "MatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
CONVOLUTIONS = ("Conv", "ConvInteger")
WEIGHT_TYPES = tuple(
    getattr(onnx.TensorProto, name) for name in ("FLOAT", "FLOAT16", "BFLOAT16", "INT8", "UINT8", "DOUBLE")
)
SMALLEST = 2
"""Dimensions of a weight; what has fewer is a bias, a scale or a constant."""


def described(path: Path, sample: NDArray[Any]) -> Graph:
    """Counts what is in a graph.

    Args:
        path: the graph.
        sample: (1, *shape of one), for what depends on the length of a text.
    """
    content = path.read_bytes()
    model = onnx.load_model_from_string(content)
    weights = [tensor for tensor in model.graph.initializer if tensor.data_type in WEIGHT_TYPES and tensor.dims]
    values = [numpy_helper.to_array(tensor) for tensor in weights if len(tensor.dims) >= SMALLEST]
    return Graph(
        bytes=len(content),
        deflated_bytes=len(zlib.compress(content, 6)),
        parameters=sum(each.size for each in values),
        nonzero_parameters=sum(int(np.count_nonzero(each)) for each in values),
        multiply_adds=multiply_adds(model, sample),
    )


def multiply_adds(model: onnx.ModelProto, sample: NDArray[Any]) -> int:
    """Multiplications with an addition for one sample, by the shapes that a run with it really has."""
    shapes = run_shapes(model, sample)
    return sum(_of_node(node, shapes) for node in model.graph.node)


def run_shapes(model: onnx.ModelProto, sample: NDArray[Any]) -> dict[str, tuple[int, ...]]:
    """Shapes of everything that goes into or comes out of a counted node, as a run with a sample has them."""
    counted = (*RECURRENT_GATES, *DENSE, *CONVOLUTIONS)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in counted]
    wanted = {name for node in nodes for name in (*node.input[:2], node.output[0]) if name} - shapes.keys()
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    kept = {output.name for output in probe.graph.output} | {given.name for given in probe.graph.input}
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted - kept))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "probe.onnx"
        onnx.save(probe, path)
        session = open_graph(path)
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {"inputs": sample})
    return shapes | {name: value.shape for name, value in zip(names, found, strict=True)}


def _of_node(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if node.op_type in CONVOLUTIONS:
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type in DENSE:
        return math.prod(shapes[node.output[0]]) * _inner(node, shapes)
    if node.op_type in RECURRENT_GATES:
        steps, batch, width = shapes[node.input[0]]
        directions, hidden = shapes[node.output[0]][1], shapes[node.output[0]][3]
        return steps * batch * directions * RECURRENT_GATES[node.op_type] * hidden * (width + hidden)
    return 0


def _inner(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The length of the sums of a matrix product."""
    given = shapes[node.input[0]]
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return given[-2] if transposed else given[-1]
