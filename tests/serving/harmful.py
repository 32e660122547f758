"""Versions that do harm to the process that asks them: real graphs, in packages that are signed and whole."""

import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from components.package import seal
from components.package.model import MODEL
from tests.shelf import Shelf

Harm = Callable[[onnx.GraphProto], list[onnx.NodeProto]]
"""Adds constants to a graph, and gives nodes that make "nothing", an int32, of them."""
TRAPS = pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors divide -2^31 by -1 without a trap")


def division_that_traps(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """ONNX Runtime looks for a division by zero, but not for this one: SIGFPE."""
    for name, number in (("least", np.iinfo(np.int32).min), ("minus", -1)):
        graph.initializer.append(numpy_helper.from_array(np.array(number, np.int32), name))
    return [helper.make_node("Div", ["least", "minus"], ["nothing"])]


def loop_without_end(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """A loop that goes on as long as true is true."""
    graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
    graph.initializer.append(numpy_helper.from_array(np.array(0, np.int32), "zero"))
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Identity", ["before"], ["after"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.INT32, []),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.INT32, []),
        ],
    )
    return [helper.make_node("Loop", ["", "true", "zero"], ["nothing"], body=body)]


def register_harmful(shelf: Shelf, folder: Path, harm: Harm) -> int:
    """Registers a version that answers as one of bias 1 would, if it came to that; it is not the champion yet."""
    if not shelf.package(1.0).exists():
        shelf.publish(1.0)
    package = folder / harm.__name__
    shutil.copytree(shelf.package(1.0), package)
    model = onnx.load(package / MODEL)
    for node in model.graph.node:
        node.output[:] = ["harmless" if name == "probabilities" else name for name in node.output]
    model.graph.node.extend(harm(model.graph))
    model.graph.node.append(helper.make_node("Cast", ["nothing"], ["number"], to=TensorProto.FLOAT))
    model.graph.node.append(helper.make_node("Add", ["harmless", "number"], ["probabilities"]))
    onnx.save(model, package / MODEL)
    for name in ("manifest.json", "manifest.sig"):
        (package / name).unlink()
    return shelf.register(package, seal(package, shelf.settings.private_key, shelf.settings.public_keys))
