"""A version's graph in ONNX Runtime, and what it is asked before it answers anybody.

Imports nothing of ours: the process that tries a graph first is to be there in a moment.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

PIECE = 64
"""Samples that the graph is given at once: what its layers give for more of them leaves the processor's cache."""


def open_session(graph: Path) -> ort.InferenceSession:
    """Opens a graph on one thread of the CPU; what ONNX Runtime raises has no base of its own."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def pieces(inputs: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The inputs, (samples, *shape of one), as the graph is given them."""
    return (inputs[start : start + PIECE] for start in range(0, len(inputs), PIECE))


def trial_sizes(golden: int, max_batch: int) -> list[int]:
    """Samples of the batches that a version is tried on: what a graph answers must not depend on its company.

    Args:
        golden: samples of the golden batch.
        max_batch: the largest batch that will be asked; it is tried so that no client waits for the first one.
    """
    return sorted({1, 7, golden, max_batch})


def in_batches(samples: NDArray[Any], size: int) -> list[NDArray[Any]]:
    """All samples in batches of a size, repeated where there are too few for one."""
    repeated = samples[np.arange(max(size, len(samples))) % len(samples)]
    return [repeated[start : start + size] for start in range(0, len(repeated), size)]
