"""The same graph behind LitServe, with its own batching: ``python -m benchmarks.serving_litserve GRAPH PORT``."""

import sys
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving_rivals import answerer, said


class Api(litserve.LitAPI):  # type: ignore[misc]  # untyped base
    """Answers single images; LitServe starts it in a process of its own.

    Args:
        graph: the ONNX file.
    """

    def __init__(self, graph: str) -> None:
        super().__init__(max_batch_size=64, batch_timeout=0.001)
        self.graph = graph

    def setup(self, device: str) -> None:
        """Opens the graph."""
        self.answer = answerer(self.graph)

    def decode_request(self, request: dict[str, Any]) -> NDArray[np.uint8]:
        """From JSON to an array."""
        return np.array(request["inputs"], np.uint8)

    def batch(self, inputs: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Several requests at once."""
        return np.stack(inputs)

    def predict(self, samples: NDArray[np.uint8]) -> list[list[float]]:
        """Their probabilities."""
        return self.answer(samples)

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """One answer a request."""
        return output

    def encode_response(self, output: list[float]) -> dict[str, Any]:
        """As this server answers."""
        return said(output)


if __name__ == "__main__":
    server = litserve.LitServer(Api(sys.argv[1]), accelerator="cpu", workers_per_device=1)
    port = int(sys.argv[2])
    server.run(host="127.0.0.1", port=port, num_api_servers=1, generate_client_file=False, log_level="error")
