"""From a network to an ONNX graph that takes what a file decoder gives."""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.nets import Network, Preprocess

OUTPUTS = ("probabilities", "features")


class ServedNetwork(nn.Module):
    """Preprocessing, network and softmax in one: training and serving cannot disagree about any of them."""

    def __init__(self, preprocess: Preprocess, network: Network) -> None:
        super().__init__()
        self.preprocess, self.network = preprocess, network

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, height, width, channels) uint8 -> probabilities (batch, classes), features (batch, features)."""
        features = self.network.body(self.preprocess(inputs))
        return self.network.head(features).softmax(dim=1), features


def export_onnx(served: ServedNetwork, shape: tuple[int, int, int], path: Path) -> None:
    """Writes the graph, with a free batch size, in one file.

    Args:
        served: in evaluation mode.
        shape: height, width and channels of an input.
        path: the .onnx file.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it names each operator of a library that is not here
    example = torch.zeros((2, *shape), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter itself
        torch.onnx.export(
            served,
            (example,),
            path,
            input_names=["inputs"],
            output_names=list(OUTPUTS),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )


def torch_probabilities(served: ServedNetwork, inputs: NDArray[np.uint8], batch: int = 512) -> NDArray[np.float32]:
    """The network's own answers, (samples, classes), computed in float32."""
    with torch.inference_mode():
        parts = [served(torch.from_numpy(inputs[start : start + batch]))[0] for start in range(0, len(inputs), batch)]
    return torch.cat(parts).numpy()
