"""Weights in sixteen bits: half the bytes, and the arithmetic of float32."""

from pathlib import Path
from typing import Literal

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from components.errors import CompressionError

DTYPES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
SMALLEST = 64
"""Values that a tensor must have for it to be worth another node in the graph."""


def halve_weights(source: Path, target: Path, dtype: Literal["float16", "bfloat16"]) -> None:
    """Writes a graph whose weights are stored in half their bits, and widened when it is opened.

    Raises:
        CompressionError: a weight is larger than the type can hold.
    """
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and values.size >= SMALLEST:
            name, stored = tensor.name, f"{tensor.name}.{dtype}"
            tensor.CopyFrom(numpy_helper.from_array(_narrowed(values, name, dtype), stored))
            widening = helper.make_node("Cast", [stored], [name], name=f"{name}.widened", to=TensorProto.FLOAT)
            model.graph.node.insert(0, widening)
    onnx.save(model, target)


def _narrowed(values: NDArray[np.float32], name: str, dtype: str) -> NDArray[np.generic]:
    with np.errstate(over="ignore"):
        narrow: NDArray[np.generic] = values.astype(DTYPES[dtype])
    if not np.isfinite(narrow.astype(np.float32)).all():
        raise CompressionError(f"{name} has weights that {dtype} cannot hold. Take bfloat16, which has the range")
    return narrow
