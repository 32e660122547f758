"""Which layers a quantization hurts: each is quantized alone, and its answers are held against those in float."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from components.compress.int8 import StaticQuantizer
from components.contracts import LayerShift, Target, ValueTarget
from components.inference import answers, open_graph


def shift_of(given: NDArray[np.float32], wanted: NDArray[np.float32], target: Target) -> float:
    """How far answers have moved: 0 for none.

    Args:
        given: (samples, target.width) answers.
        wanted: the same, in float.
        target: what is predicted.

    Returns:
        Mean total variation of the probabilities, half the sum of their differences; of values the mean difference in
        deviations of the target.
    """
    difference = np.abs(given - wanted)
    if isinstance(target, ValueTarget):
        return float(difference.mean() / target.std)
    return float(difference.sum(axis=1).mean() / 2)


def scan(quantizer: StaticQuantizer, samples: NDArray[Any], target: Target, scratch: Path) -> list[LayerShift]:
    """What the quantization of each layer alone does to the answers, the most sensitive layer first.

    Args:
        quantizer: of the graph.
        samples: (samples, *shape of one) training samples.
        target: what is predicted.
        scratch: a folder for the work.
    """
    wanted = answers(open_graph(quantizer.prepared), samples)
    console = Console(stderr=True)
    layers = track(
        quantizer.layers, "sensitivity of layers", console=console, transient=True, disable=not console.is_terminal
    )
    shifts = []
    for layer in layers:
        alone = scratch / "alone.onnx"
        quantizer.write(alone, [other for other in quantizer.layers if other != layer])
        shifts.append(LayerShift(layer=layer, shift=shift_of(answers(open_graph(alone), samples), wanted, target)))
    return sorted(shifts, key=lambda each: -each.shift)
