"""ONNX graphs in eight bits: static, by calibrated ranges, and dynamic, by ranges that are found while it answers."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    create_calibrator,
    quantize_dynamic,
    quantize_static,
    save_tensors_data,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from components.params.sections import StaticInt8Params

METHODS = {
    "min_max": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
STATIC_OPERATORS = ("Conv", "Gemm", "MatMul")
"""What is computed in eight bits. Recurrent layers have no static quantization, and stay as they are."""


BATCH = 64


class Batch(CalibrationDataReader):  # type: ignore[misc] # untyped base
    """Gives one batch of samples to the calibrator."""

    def __init__(self, inputs: NDArray[Any]) -> None:
        self.left = [inputs]

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The batch, then None."""
        return {"inputs": self.left.pop()} if self.left else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the quantizer prints of its histograms, and its warning that raw samples have no float type."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


class StaticQuantizer:
    """Makes int8 graphs of one graph: weights signed and per channel, activations unsigned.

    Unsigned activations with signed weights is the pairing that x86 processors multiply fastest (VNNI's u8·s8). The
    ranges are found once, however many graphs are made.

    Attributes:
        prepared: the graph with its normalisation folded into its weights.
        layers: names of the nodes that can be computed in eight bits.
    """

    def __init__(self, source: Path, scratch: Path, calibration: NDArray[Any], params: StaticInt8Params) -> None:
        """Prepares the graph.

        Args:
            source: the fp32 graph.
            scratch: a folder for the work.
            calibration: (samples, *shape of one) training samples that the ranges are found on.
            params: the technique.
        """
        self.prepared, self.ranges = scratch / "prepared.onnx", scratch / "ranges.json"
        self.calibration, self.method = calibration, METHODS[params.calibration]
        with quiet():
            quant_pre_process(source, self.prepared, skip_symbolic_shape=True)  # the exporter has written the shapes
            self._find_ranges(scratch / "augmented.onnx")
        nodes = onnx.load(self.prepared).graph.node
        self.layers = [node.name for node in nodes if node.op_type in STATIC_OPERATORS]

    def _find_ranges(self, augmented: Path) -> None:
        """Batch by batch: all activations of all samples would fill the memory, and texts are of different lengths."""
        calibrator = create_calibrator(
            self.prepared, list(STATIC_OPERATORS), augmented_model_path=str(augmented), calibrate_method=self.method
        )
        for start in range(0, len(self.calibration), BATCH):
            calibrator.collect_data(Batch(self.calibration[start : start + BATCH]))
        save_tensors_data(calibrator.compute_data(), self.ranges)

    def write(self, target: Path, in_float: Collection[str] = ()) -> None:
        """Writes a graph in which all layers but some are computed in eight bits."""
        with quiet():
            quantize_static(
                self.prepared,
                target,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=self.method,
                op_types_to_quantize=list(STATIC_OPERATORS),
                nodes_to_exclude=list(in_float),
                calibration_cache_path=self.ranges,
            )


def quantize_dynamically(source: Path, target: Path) -> None:
    """Writes a graph with signed eight bit weights, whose activations are quantized one by one as they come.

    Of the weights' range half is used: processors without VNNI add pairs of products in 16 bits, where 255 · 127 · 2 is
    cut off, and the answers would depend on the machine.
    """
    with tempfile.TemporaryDirectory() as scratch, quiet():
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_dynamic(prepared, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
