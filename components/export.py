"""From a network to an ONNX graph that takes what a decoder gives."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.contracts import ClassTarget, Target, ValueTarget
from components.nets import Network


class Value(nn.Module):
    """From what a network learned of a value to the value, in its own unit."""

    mean: Tensor
    std: Tensor

    def __init__(self, target: ValueTarget) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(target.mean), persistent=False)
        self.register_buffer("std", torch.tensor(target.std), persistent=False)

    def forward(self, standardised: Tensor) -> Tensor:
        """Times the training deviation, plus the training mean."""
        return standardised * self.std + self.mean


class ServedNetwork(nn.Module):
    """Preprocessing, network and answer in one: training and serving cannot disagree about any of them."""

    def __init__(self, preprocess: nn.Module, network: Network, target: Target) -> None:
        super().__init__()
        self.preprocess, self.network, self.target = preprocess, network, target
        self.answer = nn.Softmax(dim=1) if isinstance(target, ClassTarget) else Value(target)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, *shape of one sample) -> answers (batch, target.width), features (batch, features)."""
        features = self.network.body(self.preprocess(inputs))
        return self.answer(self.network.head(features)), features


def export_onnx(served: ServedNetwork, samples: NDArray[Any], path: Path) -> None:
    """Writes the graph, with a free batch size, in one file.

    Args:
        served: in evaluation mode.
        samples: (at least one, *shape of one), to trace the network with.
        path: the .onnx file.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it names each operator of a library that is not here
    example = torch.from_numpy(samples[np.arange(2) % len(samples)])  # a batch of one would be taken for a constant
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter itself
        torch.onnx.export(
            served,
            (example,),
            path,
            input_names=["inputs"],
            output_names=[served.target.output, "features"],
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    forget_origin(path)


def forget_origin(path: Path) -> None:
    """Takes out of a graph what the exporter tells of the code that it was traced from.

    It is of no use to who answers, names the folders of this machine, and makes a small graph twice as large.
    """
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def torch_answers(served: ServedNetwork, inputs: NDArray[Any], batch: int = 64) -> NDArray[np.float32]:
    """The network's own answers, (samples, target.width), computed in float32."""
    with torch.inference_mode():
        batches = (np.array(inputs[start : start + batch]) for start in range(0, len(inputs), batch))
        parts = [served(torch.from_numpy(each))[0] for each in batches]
    return torch.cat(parts).numpy()
